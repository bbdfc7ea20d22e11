import type { ListPosition } from "./page-cursor.js";
import type { Scope } from "./scope.js";

export const newestFirstSort = { created_at: -1, _id: -1 } as const;

/** What comes after a position in the order of `newestFirstSort`. */
export function olderThan(scope: Scope, after: ListPosition | undefined): Record<string, unknown> {
  if (after === undefined) return {};
  const at = new Date(after.order);
  return {
    // Implied by the alternatives below; said again because it gives the planner a bound on the index.
    created_at: { $lte: at },
    $or: [{ created_at: { $lt: at } }, { created_at: at, _id: { $lt: scope.key(after.id) } }],
  };
}
