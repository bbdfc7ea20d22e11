import type { ReactNode } from "react";

interface MeterProps {
  readonly label: string;
  /** 0 to 1. */
  readonly share: number;
  /** What the bar says in words; read out in the place of the share. */
  readonly text: string;
  /** A second part on top of the first, such as what is reserved. 0 to 1. */
  readonly extra?: number;
  /** Full is bad for what is used up, and good for progress. */
  readonly kind?: "use" | "progress";
}

/** A bar between nothing and all of it. */
export function Meter({ label, share, text, extra = 0, kind = "use" }: MeterProps): ReactNode {
  const part = Math.min(1, Math.max(0, share));
  const tone = kind === "progress" ? "plain" : part >= 1 ? "bad" : part >= 0.8 ? "warn" : "plain";
  return (
    <div className="meter">
      <div className="meter-head">
        <span>{label}</span>
        <span className="muted">{text}</span>
      </div>
      <div className="meter-track" role="progressbar" aria-label={label} aria-valuemin={0} aria-valuemax={100} aria-valuenow={Math.round(part * 100)} aria-valuetext={text}>
        <span className={`meter-part meter-${tone}`} style={{ width: `${part * 100}%` }} />
        {extra > 0 && <span className="meter-part meter-extra" style={{ width: `${Math.min(1 - part, extra) * 100}%` }} />}
      </div>
    </div>
  );
}
