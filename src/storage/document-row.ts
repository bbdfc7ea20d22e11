import type { DocumentId } from "../kernel/ids.js";
import type { StoredDocument } from "./rows.js";
import type { Scope } from "./scope.js";
import type { DocumentRow } from "./tenant-store.js";

export function toDocumentRow(scope: Scope, stored: StoredDocument): DocumentRow {
  return {
    tenantId: scope.tenantId,
    id: scope.id(stored._id) as DocumentId,
    title: stored.title,
    mediaType: stored.media_type,
    tags: stored.tags,
    state: stored.state,
    ...(stored.failure === undefined ? {} : { failure: stored.failure }),
    bytes: stored.bytes,
    chunkCount: stored.chunk_count,
    version: stored.version,
    contentSha256: stored.content_sha256,
    createdAt: stored.created_at,
    updatedAt: stored.updated_at,
  };
}
