import type { StoreParts } from "./store-parts.js";

type Lifetime = Pick<StoreParts, "clock" | "conversationMs">;

/** In every filter for a conversation: one whose time is over is not there, whether its rows are removed yet or not. */
export function liveOnly(parts: Lifetime): { readonly updated_at?: { readonly $gt: Date } } {
  const cutoff = expiredBefore(parts);
  return cutoff === undefined ? {} : { updated_at: { $gt: cutoff } };
}

/** A conversation whose latest turn is of this moment or earlier has expired. Undefined: none does. */
export function expiredBefore({ clock, conversationMs }: Lifetime): Date | undefined {
  return conversationMs === undefined ? undefined : new Date(clock.now() - conversationMs);
}
