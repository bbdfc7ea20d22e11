import { useMutation } from "@apollo/client/react";
import type { ReactNode } from "react";
import { ExportUsageDocument } from "../../generated/operations.ts";
import { formatCount } from "../../ui/format.ts";
import { FaultNotice } from "../../ui/notices.tsx";

/** The ledger's rows as a file. */
export function ExportButton({ from }: { readonly from: string }): ReactNode {
  const [run, { loading, error, data }] = useMutation(ExportUsageDocument, {
    variables: { input: { from } },
    onCompleted: ({ exportUsage }) => { if (exportUsage != null) save(exportUsage.csv, `usage-from-${from.slice(0, 10)}.csv`); },
    onError: () => {},
  });
  return (
    <>
      <button type="button" className="button button-small" disabled={loading} onClick={() => void run()}>{loading ? "Exporting …" : "Export CSV"}</button>
      {data?.exportUsage != null && <span className="hint" role="status">{formatCount(data.exportUsage.rows)} rows{data.exportUsage.truncated ? ", more follow: choose fewer days" : ""}</span>}
      {error !== undefined && <FaultNotice error={error} />}
    </>
  );
}

function save(text: string, name: string): void {
  const url = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  URL.revokeObjectURL(url);
}
