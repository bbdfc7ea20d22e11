import { conflict, notFound } from "../kernel/errors.js";
import type { DocumentId } from "../kernel/ids.js";
import { toDocumentRow } from "./document-row.js";
import type { StoreParts } from "./store-parts.js";
import type { DocumentRow } from "./tenant-store.js";

export function retryDocument(parts: StoreParts, id: DocumentId): Promise<DocumentRow> {
  const key = parts.scope.key(id);
  return parts.write(1, async (turn) => {
    const pending = await turn.write("documents").update(
      { _id: key, state: "FAILED" },
      { set: { state: "PENDING", updated_at: new Date(parts.clock.now()) }, unset: ["failure"] },
    );
    if (pending !== undefined) return toDocumentRow(parts.scope, pending);
    const other = await turn.read("documents").findOne({ _id: key });
    if (other === undefined) throw notFound("Document");
    throw conflict(`The document is ${other.state}, only a FAILED one can be retried`);
  });
}
