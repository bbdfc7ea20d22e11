import { compress } from "@mongodb-js/zstd";
import { Binary } from "mongodb";
import { createHash } from "node:crypto";
import { internal } from "../kernel/errors.js";
import { toDocumentRow } from "./document-row.js";
import type { StoreParts } from "./store-parts.js";
import type { DocumentRow, NewDocument } from "./tenant-store.js";
import type { TierPolicy } from "../tenancy/tier-policy.js";
import { countDocument } from "./totals.js";

/** zstd's own default: text shrinks to about a third at some 300 MB a second. */
const compressionLevel = 3;
/** Row, raw document, totals. */
const rowsWritten = 3;

export async function addDocument(parts: StoreParts, document: NewDocument, caps: Pick<TierPolicy, "maxDocuments" | "maxBytes">): Promise<DocumentRow> {
  const raw = Buffer.from(document.raw.buffer, document.raw.byteOffset, document.raw.byteLength);
  // Both before the turn begins: nothing slow may happen while the fence is held.
  const sha256 = createHash("sha256").update(raw).digest("hex");
  const zstd = new Binary(await compress(raw, compressionLevel));
  return parts.write(rowsWritten, async (turn) => {
    await countDocument(turn, parts.scope, raw.length, caps);
    const now = new Date(parts.clock.now());
    await turn.write("documents").insert([
      {
        id: document.id,
        title: document.title,
        media_type: document.mediaType,
        tags: [...document.tags],
        state: "PENDING",
        bytes: raw.length,
        chunk_count: 0,
        length_sum: 0,
        version: 0,
        content_sha256: sha256,
        created_at: now,
        updated_at: now,
      },
    ]);
    await turn.write("raw_documents").insert([{ id: document.id, bytes: raw.length, zstd }]);
    const stored = await turn.read("documents").findOne({ _id: parts.scope.key(document.id) });
    if (stored === undefined) throw internal("A document was not found in the transaction that added it");
    return toDocumentRow(parts.scope, stored);
  });
}
