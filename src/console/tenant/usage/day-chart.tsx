import type { ReactNode } from "react";
import type { UsageQuery } from "../../generated/operations.ts";
import { formatCount, formatMicroUsd } from "../../ui/format.ts";
import { useWidth } from "../../ui/use-width.ts";

type Group = NonNullable<UsageQuery["byDay"]>["groups"][number];

const height = 180;
const left = 70;
/** A day's label with the space around it. */
const labelWidth = 64;
const bottom = 22;
const top = 8;
const dayMs = 86_400_000;

/** Cost by day in UTC. The table under it has the same figures for who cannot see bars. */
export function DayChart({ from, days, groups }: { readonly from: string; readonly days: number; readonly groups: readonly Group[] }): ReactNode {
  const byKey = new Map(groups.map((group) => [group.key, group.total]));
  const keys = Array.from({ length: days }, (_, day) => new Date(Date.parse(from) + day * dayMs).toISOString().slice(0, 10));
  const max = Math.max(1, ...groups.map(({ total }) => total.costMicroUsd));
  const [box, width] = useWidth<HTMLDivElement>(720);
  const step = (width - left) / days;
  const plot = height - bottom - top;
  const labelled = Math.max(1, Math.ceil(days / ((width - left) / labelWidth)));
  return (
    <figure className="chart">
      <figcaption><h2>Cost by day</h2></figcaption>
      <div ref={box}>
        <svg width={width} height={height} role="img" aria-label={`Cost by day over ${days} days, at most ${formatMicroUsd(max)} a day`}>
          {[0, 0.5, 1].map((share) => (
            <g key={share} transform={`translate(0 ${top + plot * (1 - share)})`}>
              <line className="grid" x1={left} x2={width} />
              <text className="axis" x={left - 6} dy="0.32em" textAnchor="end">{formatMicroUsd(max * share)}</text>
            </g>
          ))}
          {keys.map((key, day) => {
            const total = byKey.get(key);
            const tall = total === undefined ? 0 : Math.max(1, (total.costMicroUsd / max) * plot);
            return (
              <g key={key} transform={`translate(${left + day * step} 0)`}>
                {total !== undefined && <rect className="bar" x={step * 0.12} width={step * 0.76} y={top + plot - tall} height={tall}><title>{`${key}: ${total.cost}, ${formatCount(total.calls)} calls`}</title></rect>}
                {day % labelled === 0 && <text className="axis" x={step / 2} y={height - 6} textAnchor="middle">{key.slice(5)}</text>}
              </g>
            );
          })}
        </svg>
      </div>
      <details>
        <summary>As a table</summary>
        <table className="table">
          <thead><tr><th scope="col">Day</th><th scope="col" className="number">Cost</th><th scope="col" className="number">Calls</th></tr></thead>
          <tbody>
            {groups.toSorted((one, other) => one.key.localeCompare(other.key)).map(({ key, total }) => <tr key={key}><th scope="row">{key}</th><td className="number">{total.cost}</td><td className="number">{formatCount(total.calls)}</td></tr>)}
          </tbody>
        </table>
      </details>
    </figure>
  );
}
