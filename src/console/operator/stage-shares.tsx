import type { ReactNode } from "react";
import type { StagePartsFragment } from "../generated/operations.ts";
import { formatMs, formatPercent, formatWord } from "../ui/format.ts";
import { stageClass } from "../ui/stage-bar.tsx";

/** The stages' shares of the time as one stacked bar. `names` gives each stage its colour, the same in every bar of the page. */
export function StageShares({ label, stages, names }: { readonly label: string; readonly stages: readonly StagePartsFragment[]; readonly names: readonly string[] }): ReactNode {
  const shown = stages.filter(({ share }) => share > 0);
  return (
    <figure className="stages">
      <div className="stage-track" role="img" aria-label={`${label}: ${shown.map(({ name, share }) => `${formatWord(name)} ${formatPercent(share)}`).join(", ")}`}>
        {shown.map(({ name, share }) => <span key={name} className={stageClass(names.indexOf(name))} style={{ width: `${share * 100}%` }} />)}
      </div>
      <figcaption className="stage-key">
        {shown.filter(({ share }) => share >= 0.01).map(({ name, share, meanMs }) => (
          <span key={name}><i className={`swatch ${stageClass(names.indexOf(name))}`} /> {formatWord(name)} <span className="muted">{formatPercent(share)}, {formatMs(meanMs)}</span></span>
        ))}
      </figcaption>
    </figure>
  );
}
