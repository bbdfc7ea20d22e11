import type { DocumentId } from "../kernel/ids.js";
import type { StoreParts } from "./store-parts.js";
import { uncountDocument } from "./totals.js";

/** Row, raw document, totals and three tombstones; the chunks are removed by one statement. */
const rowsWritten = 6;

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
    return true;
  });
}
