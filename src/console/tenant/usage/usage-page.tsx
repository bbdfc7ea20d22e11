import { useQuery } from "@apollo/client/react";
import { useMemo, useState, type ReactNode } from "react";
import { UsageDocument } from "../../generated/operations.ts";
import { Choice } from "../../ui/choice.tsx";
import { formatCompact, formatCount } from "../../ui/format.ts";
import { Empty, FaultNotice, Skeleton } from "../../ui/notices.tsx";
import { PageHead } from "../../ui/page-head.tsx";
import { DayChart } from "./day-chart.tsx";
import { ExportButton } from "./export-button.tsx";
import { ModelBars } from "./model-bars.tsx";
import { QuotaPanel } from "./quota-panel.tsx";

type Span = "7" | "30" | "90";

const dayMs = 86_400_000;

export function UsagePage({ isAdmin }: { readonly isAdmin: boolean }): ReactNode {
  const [span, setSpan] = useState<Span>("30");
  // Whole days in UTC, as the ledger sums them.
  const from = useMemo(() => new Date(Math.floor(Date.now() / dayMs) * dayMs - (Number(span) - 1) * dayMs).toISOString(), [span]);
  const { data, previousData, error, refetch } = useQuery(UsageDocument, { variables: { from } });
  const shown = data ?? previousData;
  const byDay = shown?.byDay;
  const total = byDay?.total;
  return (
    <>
      <PageHead title="Usage">
        <Choice label="Days" value={span} onChange={setSpan} options={[{ value: "7", label: "7 days" }, { value: "30", label: "30 days" }, { value: "90", label: "90 days" }]} />
        <ExportButton from={from} />
      </PageHead>
      <p className="hint">{isAdmin ? "The whole tenant's." : "Your own; an admin sees the whole tenant's."}</p>
      <QuotaPanel isAdmin={isAdmin} />
      {error !== undefined && <FaultNotice error={error} onRetry={() => void refetch()} />}
      {shown === undefined && error === undefined && <Skeleton lines={8} label="Loading usage" />}
      {total !== undefined && (
        <dl className="figures">
          <div><dt>Cost</dt><dd>{total.cost}</dd></div>
          <div><dt>Model calls</dt><dd>{formatCount(total.calls)}</dd></div>
          <div><dt>Tokens in</dt><dd>{formatCompact(total.promptTokens)}</dd></div>
          <div><dt>Tokens out</dt><dd>{formatCompact(total.completionTokens)}</dd></div>
        </dl>
      )}
      {total?.calls === 0 && <Empty title="Nothing used in this time"><p>Ask a question, or choose more days above.</p></Empty>}
      {byDay != null && byDay.total.calls > 0 && <DayChart from={from} days={Number(span)} groups={byDay.groups} />}
      {shown?.byModel != null && shown.byModel.groups.length > 0 && <ModelBars groups={shown.byModel.groups} />}
    </>
  );
}
