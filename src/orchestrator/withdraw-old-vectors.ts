import { Deadline } from "../kernel/deadline.js";
import type { DocumentId } from "../kernel/ids.js";
import { pageSizeMax } from "../kernel/page.js";
import type { TenantRouter } from "../routing/tenant-router.js";
import type { EmbeddingModelRef } from "../storage/tenant-store.js";
import type { TenantContext } from "../tenancy/tenant-context.js";

/** One store operation, with room for a placement move that makes writes wait. */
const storeMsMax = 60_000;

/**
 * After a change of the embedding model: takes the tenant's old chunks out, document by document, so
 * that each is `PENDING` and is embedded again from its stored raw content. Vectors of two models
 * are never searched together: the store refuses that until the last old chunk is gone. A crash in
 * the middle is taken up at the next start, since the old model stays on record until then. Gives
 * the number of documents to be embedded again; 0 when the model is the same.
 */
export async function withdrawOldVectors(router: Pick<TenantRouter, "read" | "write">, context: TenantContext, embedding: EmbeddingModelRef): Promise<number> {
  const totals = await within((deadline) => router.read(context, deadline, (store) => store.documents.totals()));
  const made = totals.embedding;
  if (totals.chunks === 0 || made === undefined || (made.model === embedding.model && made.dimensions === embedding.dimensions)) return 0;
  const ids = await documentsWithChunks(router, context);
  const { model, dimensions } = embedding;
  for (const id of ids) {
    await within((deadline) => router.write(context, deadline, (store) => store.documents.publish(id, [], { model, dimensions }, context.policy)));
  }
  return ids.length;
}

async function documentsWithChunks(router: Pick<TenantRouter, "read">, context: TenantContext): Promise<readonly DocumentId[]> {
  const ids: DocumentId[] = [];
  let after: string | undefined;
  do {
    const request = { first: pageSizeMax, ...(after === undefined ? {} : { after }) };
    const page = await within((deadline) => router.read(context, deadline, (store) => store.documents.page(request, {})));
    ids.push(...page.items.filter(({ item }) => item.chunkCount > 0).map(({ item }) => item.id));
    after = page.hasNextPage ? page.items.at(-1)?.cursor : undefined;
  } while (after !== undefined);
  return ids;
}

async function within<T>(work: (deadline: Deadline) => Promise<T>): Promise<T> {
  const deadline = Deadline.after(storeMsMax);
  try {
    return await work(deadline);
  } finally {
    deadline.dispose();
  }
}
