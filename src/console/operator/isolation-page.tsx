import { useMutation, useQuery } from "@apollo/client/react";
import { useState, type ReactNode } from "react";
import { IsolationReportsDocument, RunIsolationAuditDocument } from "../generated/operations.ts";
import { Link, navigate } from "../shell/router.tsx";
import { StateBadge } from "../ui/badge.tsx";
import { formatCount, formatMoment, formatPercent, formatWord } from "../ui/format.ts";
import { Empty, FaultNotice, Skeleton } from "../ui/notices.tsx";
import { PageHead } from "../ui/page-head.tsx";
import { Pager, usePaging } from "../ui/pager.tsx";
import { IsolationReportView } from "./isolation-report.tsx";
import { TableBox } from "../ui/table-box.tsx";

/** A run's counts grow while it is under way; there is no subscription for it. */
const lookAgainMs = 3_000;

export function IsolationPage({ id }: { readonly id?: string }): ReactNode {
  const paging = usePaging();
  const [following, setFollowing] = useState(false);
  const { data, previousData, error, refetch } = useQuery(IsolationReportsDocument, { variables: { first: 10, after: paging.after }, pollInterval: following ? lookAgainMs : 0 });
  const page = (data ?? previousData)?.isolationReports;
  const isRunning = page?.nodes.some(({ state }) => state === "RUNNING") === true;
  if (isRunning !== following && page != null) setFollowing(isRunning);
  const [run, running] = useMutation(RunIsolationAuditDocument, {
    variables: { input: {} },
    onCompleted: ({ runIsolationAudit }) => {
      void refetch();
      if (runIsolationAudit != null) navigate(`/isolation/${encodeURIComponent(runIsolationAudit.report.id)}`);
    },
    onError: () => {},
  });
  const shown = id ?? page?.nodes[0]?.id;
  return (
    <>
      <PageHead title="Isolation">
        <button type="button" className="button button-primary button-small" disabled={running.loading || isRunning} onClick={() => void run()}>{running.loading || isRunning ? "Auditing …" : "Run an audit"}</button>
      </PageHead>
      {running.error !== undefined && <FaultNotice error={running.error} />}
      {error !== undefined && <FaultNotice error={error} onRetry={() => void refetch()} />}
      {page == null && error === undefined && <Skeleton lines={8} label="Loading reports" />}
      {page != null && page.nodes.length === 0 && <Empty title="No audit has run yet"><p>Run one above. It tries to reach one tenant's data from another by every operation, and says what it found.</p></Empty>}
      {page != null && page.nodes.length > 0 && (
        <TableBox label="Reports">
          <table className="table table-cards">
            <caption className="visually-hidden">Reports, newest first</caption>
            <thead><tr><th scope="col">Begun</th><th scope="col">State</th><th scope="col">Trigger</th><th scope="col" className="number">Probes</th><th scope="col" className="number">Leaks</th><th scope="col" className="number">Recall</th></tr></thead>
            <tbody>
              {page.nodes.map((report) => (
                <tr key={report.id} className={report.id === shown ? "row-on" : undefined}>
                  <th scope="row"><Link to={`/isolation/${encodeURIComponent(report.id)}`} current={report.id === shown}>{formatMoment(report.startedAt)}</Link></th>
                  <td data-label="State"><StateBadge state={report.state} /></td>
                  <td data-label="Trigger">{formatWord(report.trigger)}</td>
                  <td data-label="Probes" className="number">{formatCount(report.probes)}</td>
                  <td data-label="Leaks" className="number">{formatCount(report.leaks)}</td>
                  <td data-label="Recall" className="number">{report.recall == null ? "–" : formatPercent(report.recall)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </TableBox>
      )}
      {page != null && <Pager paging={paging} info={page.pageInfo} />}
      {shown !== undefined && <IsolationReportView key={shown} id={shown} lookAgainMs={isRunning ? lookAgainMs : 0} />}
    </>
  );
}
