import { useQuery } from "@apollo/client/react";
import type { ReactNode } from "react";
import { IsolationReportDocument } from "../generated/operations.ts";
import { Badge, StateBadge } from "../ui/badge.tsx";
import { formatCount, formatMoment, formatPercent } from "../ui/format.ts";
import { Meter } from "../ui/meter.tsx";
import { FaultNotice, Skeleton } from "../ui/notices.tsx";
import { TableBox } from "../ui/table-box.tsx";

export function IsolationReportView({ id, lookAgainMs }: { readonly id: string; readonly lookAgainMs: number }): ReactNode {
  const { data, error, refetch } = useQuery(IsolationReportDocument, { variables: { id }, pollInterval: lookAgainMs });
  const report = data?.isolationReport;
  if (error !== undefined && report == null) return <FaultNotice error={error} onRetry={() => void refetch()} />;
  if (report == null) return <Skeleton lines={6} label="Loading the report" />;
  const { coverage, findings, surfaces } = report;
  return (
    <section className="panel" aria-labelledby="report-head">
      <div className="panel-head"><h2 id="report-head">Report of {formatMoment(report.startedAt)}</h2><StateBadge state={report.state} /></div>
      {report.failure != null && <p className="notice notice-error">{report.failure}</p>}
      {findings.map((finding) => (
        <p key={`${finding.surface} ${finding.operation} ${finding.at}`} className="notice notice-error">
          <strong>{finding.surface}</strong> by <code>{finding.operation}</code>: {finding.description} <span className="muted">{formatMoment(finding.at)}</span>
        </p>
      ))}
      {findings.length === 0 && report.state === "PASSED" && <p>No leak in {formatCount(report.probes)} probes, and owners found {report.recall == null ? "their own" : formatPercent(report.recall)} of what is theirs.</p>}
      <Meter kind="progress" label="Fields of the schema covered" share={coverage.covered / Math.max(1, coverage.fields)} text={`${coverage.covered} of ${coverage.fields}`} />
      {coverage.uncovered.length > 0 && <p className="notice notice-warn">Not covered: {coverage.uncovered.join("; ")}</p>}
      <TableBox label="Surfaces">
        <table className="table">
          <thead><tr><th scope="col">Surface</th><th scope="col" className="number">Probes</th><th scope="col" className="number">Leaks</th><th scope="col" className="number">Recall</th></tr></thead>
          <tbody>
            {surfaces.map((surface) => (
              <tr key={surface.name}>
                <th scope="row">{surface.name}</th>
                <td className="number">{formatCount(surface.probes)}</td>
                <td className="number">{surface.leaks === 0 ? "0" : <Badge tone="bad">{surface.leaks}</Badge>}</td>
                <td className="number">{surface.recall == null ? "–" : formatPercent(surface.recall)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </TableBox>
    </section>
  );
}
