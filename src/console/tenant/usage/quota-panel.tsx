import { useQuery } from "@apollo/client/react";
import { useState, type ReactNode } from "react";
import { QuotaDocument, type PeriodPartsFragment } from "../../generated/operations.ts";
import { formatCompact, formatCount, formatDayClock } from "../../ui/format.ts";
import { Meter } from "../../ui/meter.tsx";
import { FaultNotice, Skeleton } from "../../ui/notices.tsx";
import { BudgetDialog } from "./budget-dialog.tsx";

/** What is left of the minute and of the budget. Asked again every 20 s: it changes by the minute, and each look is a request. */
const lookAgainMs = 20_000;

export function QuotaPanel({ isAdmin }: { readonly isAdmin: boolean }): ReactNode {
  const { data, error, refetch } = useQuery(QuotaDocument, { pollInterval: lookAgainMs });
  const [editing, setEditing] = useState(false);
  const quota = data?.quota;
  if (error !== undefined && quota == null) return <FaultNotice error={error} onRetry={() => void refetch()} />;
  if (quota == null) return <Skeleton lines={3} label="Loading the quota" />;
  const { requests, tokens, budget } = quota;
  return (
    <section className="panel" aria-labelledby="quota-head">
      <div className="panel-head">
        <h2 id="quota-head">Quota and budget</h2>
        {isAdmin && <button type="button" className="button button-small" onClick={() => setEditing(true)}>Set budget</button>}
      </div>
      <div className="meters">
        <Meter label="Requests this minute" share={(requests.limit - requests.remaining) / Math.max(1, requests.limit)} text={`${formatCount(requests.remaining)} of ${formatCount(requests.limit)} left`} />
        <Meter label="Tokens this minute" share={(tokens.limit - tokens.remaining - tokens.reserved) / Math.max(1, tokens.limit)} extra={tokens.reserved / Math.max(1, tokens.limit)} text={`${formatCompact(tokens.remaining)} of ${formatCompact(tokens.limit)} left`} />
        {budget?.day != null && <PeriodMeter label="Budget of the day" period={budget.day} />}
        {budget?.month != null && <PeriodMeter label="Budget of the month" period={budget.month} />}
      </div>
      {budget == null && <p className="hint">No budget is set: neither by the tier nor by your tenant.</p>}
      {(budget?.warnings.length ?? 0) > 0 && <p className="notice notice-warn">{budget?.warnings.map(({ percent, period }) => `${percent} % of the ${period.toLowerCase()}'s budget is used`).join("; ")}</p>}
      {editing && <BudgetDialog onClose={() => setEditing(false)} onSet={() => { setEditing(false); void refetch(); }} />}
    </section>
  );
}

function PeriodMeter({ label, period }: { readonly label: string; readonly period: PeriodPartsFragment }): ReactNode {
  const limit = Math.max(1, period.limitMicroUsd);
  return <Meter label={label} share={period.spentMicroUsd / limit} extra={period.reservedMicroUsd / limit} text={`${period.spent} of ${period.limit}, until ${formatDayClock(period.resetsAt)}`} />;
}
