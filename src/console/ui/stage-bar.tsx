import type { ReactNode } from "react";
import { formatMs, formatWord } from "./format.ts";

export interface BarStage {
  readonly name: string;
  readonly ms: number;
}

/** One colour for each place in the order, so that a stage looks the same in every bar of a page. */
export const stageColours = 12;

export function stageClass(at: number): string {
  return `stage-${at % stageColours}`;
}

/** Stages of one duration as parts of a bar, with a key that names them and their times. */
export function StageBar({ label, stages }: { readonly label: string; readonly stages: readonly BarStage[] }): ReactNode {
  const shown = stages.filter(({ ms }) => ms > 0);
  const total = shown.reduce((sum, { ms }) => sum + ms, 0);
  if (total === 0) return null;
  return (
    <figure className="stages">
      <div className="stage-track" role="img" aria-label={`${label}: ${shown.map(({ name, ms }) => `${formatWord(name)} ${formatMs(ms)}`).join(", ")}`}>
        {shown.map(({ name, ms }) => <span key={name} className={stageClass(stages.findIndex((stage) => stage.name === name))} style={{ width: `${(ms / total) * 100}%` }} />)}
      </div>
      <figcaption className="stage-key">
        {shown.map(({ name, ms }) => (
          <span key={name}><i className={`swatch ${stageClass(stages.findIndex((stage) => stage.name === name))}`} /> {formatWord(name)} <span className="muted">{formatMs(ms)}</span></span>
        ))}
      </figcaption>
    </figure>
  );
}
