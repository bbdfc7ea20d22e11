import type { DocumentId } from "../kernel/ids.js";
import type { StoreParts } from "./store-parts.js";
import { uncountDocument } from "./totals.js";

/** Row, raw document, totals and four tombstones; chunks and answers are removed by one statement each. */
const rowsWritten = 7;

export function removeDocument(parts: StoreParts, id: DocumentId): Promise<boolean> {
  const key = parts.scope.key(id);
  return parts.write(rowsWritten, async (turn) => {
    const removed = await turn.write("documents").removeOne({ _id: key });
    if (removed === undefined) return false;
    await turn.write("raw_documents").removeOne({ _id: key });
    const chunks = await turn.write("chunks").removeMany({ document_id: id });
    await uncountDocument(turn, parts.scope, { bytes: removed.bytes, chunks, length: removed.length_sum });
    await turn.bury({ collection: "documents", field: "_id", value: key });
    await turn.bury({ collection: "raw_documents", field: "_id", value: key });
    if (chunks > 0) await turn.bury({ collection: "chunks", field: "document_id", value: id });
    // An answer that quotes the document must not outlive it, waiting for a key to be sent again.
    const answers = await turn.write("idempotency_answers").removeMany({ document_ids: id });
    if (answers > 0) await turn.bury({ collection: "idempotency_answers", field: "document_ids", value: id });
    return true;
  });
}
