import { useEffect, useRef, useState, type KeyboardEvent, type ReactNode } from "react";
import type { HeatmapQuery } from "../generated/operations.ts";
import { Link } from "../shell/router.tsx";
import { formatCount, formatDayClock } from "../ui/format.ts";
import { formatMeasure, shadeOf, shades } from "./heat-measure.ts";

type Heatmap = NonNullable<HeatmapQuery["heatmap"]>;

const cellWidth = 26;
const cellHeight = 22;

/** How many columns wide the time over a column is. */
const labelColumns = 4;

interface Place {
  readonly row: number;
  readonly column: number;
}

/** Tenants by time. One stop for the Tab key: arrows go from cell to cell, and the line above says what is in it. */
export function HeatGrid({ heatmap }: { readonly heatmap: Heatmap }): ReactNode {
  const { rows, columns, max, measure, unit, bucketMinutes } = heatmap;
  const [place, setPlace] = useState<Place>({ row: 0, column: Math.max(0, columns.length - 1) });
  const grid = useRef<HTMLDivElement>(null);
  const at = { row: Math.min(place.row, rows.length - 1), column: Math.min(place.column, columns.length - 1) };
  const cellAt = ({ row, column }: Place): HTMLElement | null => grid.current?.querySelector<HTMLElement>(`[data-cell="${row}-${column}"]`) ?? null;

  const say = ({ row, column }: Place): string => {
    const value = rows[row]?.cells[column];
    const begin = columns[column];
    return `${rows[row]?.tenant.name ?? ""}, ${begin === undefined ? "" : formatDayClock(begin)} for ${bucketMinutes} min: ${value == null ? "nothing" : formatMeasure(measure, unit, value)}`;
  };
  const rove = (event: KeyboardEvent): void => {
    const moves: Readonly<Record<string, readonly [number, number]>> = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1], Home: [0, -at.column], End: [0, columns.length - 1 - at.column] };
    const move = moves[event.key];
    if (move === undefined) return;
    event.preventDefault();
    const next = { row: Math.min(rows.length - 1, Math.max(0, at.row + move[0])), column: Math.min(columns.length - 1, Math.max(0, at.column + move[1])) };
    setPlace(next);
    cellAt(next)?.focus();
  };
  // The latest is what one looks for first; on a narrow screen it lies at the far end.
  useEffect(() => {
    if (grid.current !== null) grid.current.scrollLeft = grid.current.scrollWidth;
  }, [columns.length]);
  const labelled = Math.max(1, Math.ceil(columns.length / 8));

  return (
    <section className="panel" aria-label="Heatmap">
      <p className="heat-says" aria-live="polite">{say(at)}</p>
      <div className="heat-scroll" ref={grid}>
        <table className="heat" role="grid" aria-label="Tenants by time" onKeyDown={rove}>
          <thead>
            <tr>
              <th scope="col">Tenant</th>
              {columns.map((column, index) => <th key={column} scope="col" className="heat-time"><span className={index % labelled === 0 && columns.length - index >= labelColumns ? undefined : "visually-hidden"}>{formatDayClock(column)}</span></th>)}
              <th scope="col" className="number">Total</th>
              <th scope="col" className="number">Limits hit</th>
            </tr>
          </thead>
          <tbody>
            {rows.map((row, rowAt) => (
              <tr key={row.tenant.id}>
                <th scope="row"><Link to={`/tenants/${row.tenant.id}`}>{row.tenant.name}</Link></th>
                {columns.map((column, columnAt) => {
                  const value = row.cells[columnAt];
                  const isHere = rowAt === at.row && columnAt === at.column;
                  const here = { row: rowAt, column: columnAt };
                  return (
                    <td key={column} role="gridcell" className="heat-cell" data-cell={`${rowAt}-${columnAt}`} tabIndex={isHere ? 0 : -1} aria-label={say(here)} title={say(here)} onFocus={() => setPlace(here)} onPointerEnter={() => setPlace(here)}>
                      <svg width={cellWidth} height={cellHeight} aria-hidden="true"><rect className={value == null ? "heat-none" : `heat-${shadeOf(value, max)}`} x="1" y="1" width={cellWidth - 2} height={cellHeight - 2} rx="3" /></svg>
                    </td>
                  );
                })}
                <td className="number">{formatMeasure(measure, unit, row.total)}</td>
                <td className="number">{row.refusals === 0 ? <span className="muted">0</span> : formatCount(row.refusals)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <p className="heat-key muted">
        nothing <svg width="14" height="14" aria-hidden="true"><rect className="heat-none" width="14" height="14" rx="3" /></svg>
        {" "}less {Array.from({ length: shades }, (_, shade) => <svg key={shade} width="14" height="14" aria-hidden="true"><rect className={`heat-${shade + 1}`} width="14" height="14" rx="3" /></svg>)} {formatMeasure(measure, unit, max)}
      </p>
    </section>
  );
}
