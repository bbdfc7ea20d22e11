import { useQuery } from "@apollo/client/react";
import { useMemo, useState, type ReactNode } from "react";
import { LatencyAttributionDocument, type LatencyAttributionQuery } from "../generated/operations.ts";
import { Link } from "../shell/router.tsx";
import { Badge } from "../ui/badge.tsx";
import { Choice } from "../ui/choice.tsx";
import { formatCount, formatMoment, formatMs, formatPercent, formatWord } from "../ui/format.ts";
import { Empty, FaultNotice, Skeleton } from "../ui/notices.tsx";
import { PageHead } from "../ui/page-head.tsx";
import { Holders } from "./queue-holders.tsx";
import { fromOf, spans, type Span } from "./span.ts";
import { StageShares } from "./stage-shares.tsx";
import { TableBox } from "../ui/table-box.tsx";

type Attribution = NonNullable<LatencyAttributionQuery["latencyAttribution"]>;

export function LatencyPage(): ReactNode {
  const [span, setSpan] = useState<Span>("1");
  const [looked, setLooked] = useState(0);
  const input = useMemo(() => ({ from: fromOf(span), looked }), [span, looked]);
  const { data, previousData, error, loading, refetch } = useQuery(LatencyAttributionDocument, { variables: { input: { from: input.from } } });
  const found = (data ?? previousData)?.latencyAttribution;
  return (
    <>
      <PageHead title="Latency">
        <Choice label="Span" value={span} onChange={setSpan} options={spans} />
        <button type="button" className="button button-small" disabled={loading} onClick={() => setLooked(looked + 1)}>Look again</button>
      </PageHead>
      {error !== undefined && <FaultNotice error={error} onRetry={() => void refetch()} />}
      {found == null && error === undefined && <Skeleton lines={10} label="Loading the attribution" />}
      {found != null && <Verdict found={found} />}
      {found?.truncated === true && <p className="hint">More happened than can be read at once: this begins {formatMoment(found.from)}, or what is usual is of less than a day.</p>}
      {found != null && found.requests === 0 && <Empty title="No requests in this time"><p>Choose a longer span.</p></Empty>}
      {found != null && found.requests > 0 && (
        <>
          <section className="panel">
            <h2>All tenants <span className="muted">{formatCount(found.requests)} requests</span></h2>
            <StageShares label="All tenants" stages={found.stages} names={found.stages.map(({ name }) => name)} />
            <details>
              <summary>As a table, with percentiles</summary>
              <StageTable stages={found.stages} />
            </details>
          </section>
          {found.tenants.map((tenant) => <TenantLatency key={tenant.tenant.id} latency={tenant} names={found.stages.map(({ name }) => name)} isSlow={found.verdict.slowTenants.some(({ id }) => id === tenant.tenant.id)} />)}
        </>
      )}
    </>
  );
}

/** The answer first: slow for whom, in which stage, because of whom. */
function Verdict({ found: { verdict } }: { readonly found: Attribution }): ReactNode {
  return (
    <section className={verdict.scope === "NOBODY" ? "verdict" : "verdict verdict-slow"} aria-label="Verdict">
      <p className="verdict-summary">{verdict.summary}</p>
      {verdict.scope !== "NOBODY" && (
        <p className="hint">
          Slow for: {formatWord(verdict.scope).toLowerCase()}
          {verdict.stage != null && <>; stage: {formatWord(verdict.stage)}</>}
          {verdict.slowTenants.length > 0 && <>; {verdict.slowTenants.map(({ name }) => name).join(", ")}</>}
        </p>
      )}
      {verdict.because.length > 0 && <Holders holders={verdict.because} />}
    </section>
  );
}

function StageTable({ stages }: { readonly stages: Attribution["stages"] }): ReactNode {
  return (
    <TableBox label="Stages">
      <table className="table">
        <thead><tr><th scope="col">Stage</th><th scope="col" className="number">Share</th><th scope="col" className="number">Mean</th><th scope="col" className="number">p50</th><th scope="col" className="number">p95</th><th scope="col" className="number">p99</th></tr></thead>
        <tbody>
          {stages.map((stage) => (
            <tr key={stage.name}>
              <th scope="row">{formatWord(stage.name)}</th>
              <td className="number">{formatPercent(stage.share)}</td>
              <td className="number">{formatMs(stage.meanMs)}</td>
              <td className="number">{formatMs(stage.p50Ms)}</td>
              <td className="number">{formatMs(stage.p95Ms)}</td>
              <td className="number">{formatMs(stage.p99Ms)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </TableBox>
  );
}

function TenantLatency({ latency, names, isSlow }: { readonly latency: Attribution["tenants"][number]; readonly names: readonly string[]; readonly isSlow: boolean }): ReactNode {
  const { tenant, requests, p50Ms, p95Ms, p99Ms, baselineP95Ms, stages, queueHeldBy } = latency;
  return (
    <section className="panel">
      <div className="panel-head">
        <h2><Link to={`/tenants/${tenant.id}`}>{tenant.name}</Link> {isSlow && <Badge tone="warn">Slow</Badge>}</h2>
        <span className="muted">
          {formatCount(requests)} requests · p50 {formatMs(p50Ms)} · p95 {formatMs(p95Ms)}{baselineP95Ms != null && ` (usually ${formatMs(baselineP95Ms)})`} · p99 {formatMs(p99Ms)}
        </span>
      </div>
      <StageShares label={tenant.name} stages={stages} names={names} />
      {queueHeldBy.length > 0 && <Holders holders={queueHeldBy} />}
    </section>
  );
}
