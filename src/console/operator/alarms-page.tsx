import { useQuery } from "@apollo/client/react";
import type { ReactNode } from "react";
import { AlarmsDocument } from "../generated/operations.ts";
import { formatMoment, formatWord } from "../ui/format.ts";
import { Empty, FaultNotice, Skeleton } from "../ui/notices.tsx";
import { PageHead } from "../ui/page-head.tsx";

/** An alarm is for a person now; a pager gets it from the metrics within seconds. */
const lookAgainMs = 10_000;

export function AlarmsPage(): ReactNode {
  const { data, error, refetch } = useQuery(AlarmsDocument, { variables: { first: 100 }, pollInterval: lookAgainMs });
  const alarms = data?.alarms;
  return (
    <>
      <PageHead title="Alarms" />
      <p className="hint">Of the server that answers, newest first.</p>
      {error !== undefined && <FaultNotice error={error} onRetry={() => void refetch()} />}
      {alarms == null && error === undefined && <Skeleton lines={5} label="Loading alarms" />}
      {alarms?.length === 0 && <Empty title="No alarm"><p>What must wake a person appears here: a tenant mismatch, a failed move, a leak. The runbook says what to do about each.</p></Empty>}
      {alarms != null && alarms.length > 0 && (
        <ul className="alarms">
          {alarms.map((alarm) => (
            <li key={`${alarm.name} ${alarm.at} ${JSON.stringify(alarm.fields)}`} className="panel">
              <div className="panel-head"><h2>{formatWord(alarm.name)}</h2><span className="muted">{formatMoment(alarm.at)}</span></div>
              <dl className="pairs">{alarm.fields.map(({ name, value }) => <div key={name}><dt>{name}</dt><dd className="mono">{value}</dd></div>)}</dl>
            </li>
          ))}
        </ul>
      )}
    </>
  );
}
