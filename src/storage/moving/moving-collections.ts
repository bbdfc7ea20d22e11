/**
 * The collections that make up a tenant, whole. A test compares this list with the declarations in
 * `schema/collections/`: one that is neither moved nor excused here fails it.
 */
export const movingCollections = ["documents", "raw_documents", "chunks", "conversations", "messages", "idempotency_records", "idempotency_answers", "feedback", "adapters", "adapter_weights", "totals"] as const;
export type MovingCollection = (typeof movingCollections)[number];

/** Tenant collections that stay behind, and why. */
export const stayingCollections: Readonly<Record<string, string>> = {
  fences: "each database has its own fence: that is what makes a stale writer fail",
  tombstones: "they tell a follower of this database what was deleted in it",
};
