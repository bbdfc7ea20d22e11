import type { ReactNode } from "react";
import type { ReceiptPartsFragment } from "../generated/operations.ts";
import { StateBadge } from "../ui/badge.tsx";
import { formatCount, formatMoment, formatWord } from "../ui/format.ts";
import { TableBox } from "../ui/table-box.tsx";

/** What an erasure removed, kept and could not reach. */
export function Receipt({ receipt }: { readonly receipt: ReceiptPartsFragment }): ReactNode {
  return (
    <section className="panel">
      <div className="panel-head"><h2>Erasure</h2><StateBadge state={receipt.status} /></div>
      <p className="hint">{formatWord(receipt.phase)}; begun {formatMoment(receipt.startedAt)}{receipt.verifiedAt != null && `, searched again ${formatMoment(receipt.verifiedAt)}`}</p>
      {receipt.unreachable.map((part) => <p key={part.store} className="notice notice-error"><code>{part.store}</code> {part.reason}</p>)}
      <TableBox label="Removed">
        <table className="table">
          <thead><tr><th scope="col">Removed</th><th scope="col">Where</th><th scope="col" className="number">Count</th></tr></thead>
          <tbody>{receipt.removed.map((part) => <tr key={`${part.store} ${part.what}`}><th scope="row">{part.what}</th><td>{part.store}</td><td className="number">{formatCount(part.count)}</td></tr>)}</tbody>
        </table>
      </TableBox>
      {receipt.kept.length > 0 && <ul>{receipt.kept.map((part) => <li key={part.what}>Kept: {part.what}, {part.why}</li>)}</ul>}
    </section>
  );
}
