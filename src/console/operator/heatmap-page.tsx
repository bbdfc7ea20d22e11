import { useQuery } from "@apollo/client/react";
import { useMemo, useState, type ReactNode } from "react";
import { HeatmapDocument, type HeatmapMeasure } from "../generated/operations.ts";
import { Link } from "../shell/router.tsx";
import { Choice } from "../ui/choice.tsx";
import { formatCount, formatMoment } from "../ui/format.ts";
import { Empty, FaultNotice, Skeleton } from "../ui/notices.tsx";
import { PageHead } from "../ui/page-head.tsx";
import { HeatGrid } from "./heat-grid.tsx";
import { formatMeasure } from "./heat-measure.ts";
import { bucketOf, fromOf, spans, type Span } from "./span.ts";
import { TableBox } from "../ui/table-box.tsx";

const measures: readonly { readonly value: HeatmapMeasure; readonly label: string }[] = [
  { value: "COST", label: "Cost" },
  { value: "TOKENS", label: "Tokens" },
  { value: "REQUESTS", label: "Requests" },
  { value: "REFUSALS", label: "Refusals" },
  { value: "LATENCY_P95", label: "Latency p95" },
  { value: "QUEUE_WAIT", label: "Queue wait" },
];

/** Read from the ledger, which is never cut. */
function isOfLedger(measure: HeatmapMeasure): boolean {
  return measure === "COST" || measure === "TOKENS";
}

export function HeatmapPage(): ReactNode {
  const [measure, setMeasure] = useState<HeatmapMeasure>("COST");
  const [span, setSpan] = useState<Span>("24");
  const [looked, setLooked] = useState(0);
  // A new moment only when asked for: one that moved by itself would ask again with every drawing.
  const input = useMemo(() => ({ measure, from: fromOf(span), bucketMinutes: bucketOf(span), looked }), [measure, span, looked]);
  const { data, previousData, error, loading, refetch } = useQuery(HeatmapDocument, { variables: { input: { measure: input.measure, from: input.from, bucketMinutes: input.bucketMinutes } } });
  const heatmap = (data ?? previousData)?.heatmap;
  return (
    <>
      <PageHead title="Heatmap">
        <button type="button" className="button button-small" disabled={loading} onClick={() => setLooked(looked + 1)}>Look again</button>
      </PageHead>
      <div className="filters">
        <Choice label="Measure" value={measure} onChange={setMeasure} options={measures} />
        <Choice label="Span" value={span} onChange={setSpan} options={spans} />
      </div>
      {error !== undefined && <FaultNotice error={error} onRetry={() => void refetch()} />}
      {heatmap == null && error === undefined && <Skeleton lines={10} label="Loading the heatmap" />}
      {heatmap != null && heatmap.rows.length === 0 && <Empty title="Nothing happened in this time"><p>Choose a longer span, or another measure.</p></Empty>}
      {heatmap?.truncated === true && <p className="hint">More happened than can be read at once: {isOfLedger(heatmap.measure) ? "limits hit and suggestions are of the latest part of this time" : `this begins ${formatMoment(heatmap.from)}`}.</p>}
      {heatmap != null && heatmap.rows.length > 0 && <HeatGrid heatmap={heatmap} />}
      {heatmap != null && heatmap.suggestions.length > 0 && (
        <section className="panel">
          <h2>Would live better elsewhere</h2>
          <ul className="plain-list">
            {heatmap.suggestions.map(({ tenant, placement, reason }) => (
              <li key={tenant.id}><Link to={`/tenants/${tenant.id}`}>{tenant.name}</Link> in a {placement === "SILO" ? "silo" : "pool"}: {reason}</li>
            ))}
          </ul>
        </section>
      )}
      {heatmap != null && heatmap.rows.length > 0 && (
        <details>
          <summary>As a table</summary>
          <TableBox label="Totals by tenant">
            <table className="table">
              <thead><tr><th scope="col">Tenant</th><th scope="col" className="number">Total</th><th scope="col" className="number">Limits hit</th></tr></thead>
              <tbody>
                {heatmap.rows.map(({ tenant, total, refusals }) => <tr key={tenant.id}><th scope="row">{tenant.name}</th><td className="number">{formatMeasure(heatmap.measure, heatmap.unit, total)}</td><td className="number">{formatCount(refusals)}</td></tr>)}
              </tbody>
            </table>
          </TableBox>
        </details>
      )}
    </>
  );
}
