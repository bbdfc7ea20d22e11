/*
 * Dropping a collection or index only marks its key range; the keys go afterwards, in small commits.
 * Before it: database.ts; after it: the LMDB file. Numbers are never reused, so a left-over range is never read.
 */
import type { DatabaseFile, WriteView } from "./database-file.js";
import { metaKey, successor } from "./keys.js";
import { walk } from "./read-view.js";

const MARK = "dropped:";
/** Keys removed in one commit: some milliseconds of work, so that writers are not held up. */
const KEYS_PER_COMMIT = 2_000;

export function dropKeysLater(view: WriteView, prefix: Buffer): void {
  view.put(metaKey(MARK + prefix.toString("hex")), prefix);
}

/** Removes everything marked; safe to stop at any point and to run again. */
export async function sweepDroppedKeys(file: DatabaseFile): Promise<void> {
  const start = metaKey(MARK);
  for (const { key, value: prefix } of walk(file.latest, start, successor(start))) {
    while ((await removeSome(file, key, prefix)) === KEYS_PER_COMMIT);
  }
}

/** How many keys went; the mark goes with the last of them. */
async function removeSome(file: DatabaseFile, mark: Buffer, prefix: Buffer): Promise<number> {
  let removed = 0;
  await file.commit({
    apply: (view) => {
      const entries = view.chunk(prefix, successor(prefix), false, KEYS_PER_COMMIT);
      for (const entry of entries) view.remove(entry.key);
      removed = entries.length;
      if (removed < KEYS_PER_COMMIT) view.remove(mark);
    },
  });
  return removed;
}
