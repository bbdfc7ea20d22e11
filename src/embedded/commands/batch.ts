/*
 * Cuts results into batches by count and size, and keeps the rest as a cursor.
 * Before it: find, aggregate, getMore and the list commands; after it: wire/cursor-reply.ts.
 */
import { Long } from "bson";
import type { Breath } from "../engine/breathe.js";
import { nonNegativeInteger } from "../engine/values.js";
import type { Doc } from "../semantics/bson-codec.js";
import { encodeCursorReply } from "../wire/cursor-reply.js";
import type { CommandContext } from "./command.js";

/** MongoDB's default for a first batch. */
const FIRST_BATCH_DOCUMENTS = 101;
/** A reply stays near the limit of one document, as on a server; the first document always fits. */
const BATCH_BYTES_MAX = 16 * 1024 * 1024;

export function batchSizeOf(body: Doc): number {
  return nonNegativeInteger(body, "batchSize") ?? FIRST_BATCH_DOCUMENTS;
}

/** Answers with the first batch; what is left becomes a cursor unless `singleBatch`. */
export async function firstBatch(
  context: CommandContext,
  namespace: string,
  documents: Iterable<Buffer | undefined>,
  options: { batchSize: number; singleBatch: boolean },
): Promise<Buffer> {
  const iterator = documents[Symbol.iterator]();
  const batch = await takeBatch(iterator, undefined, options.batchSize, context.breath);
  let id = Long.ZERO;
  if (!batch.done && !options.singleBatch) {
    id = context.engine.cursors.add({ namespace, documents: iterator, held: batch.held, batchSize: undefined, owner: context.transaction, user: context.owner }).id;
  } else iterator.return?.();
  return encodeCursorReply({ id, namespace, batchName: "firstBatch", documents: batch.documents });
}

export interface Batch {
  documents: Buffer[];
  held: Buffer | undefined;
  done: boolean;
}

/** One document is fetched ahead, so that a cursor is not kept open for an empty batch. */
export async function takeBatch(iterator: Iterator<Buffer | undefined>, held: Buffer | undefined, countMax: number, breath: Breath): Promise<Batch> {
  const documents: Buffer[] = [];
  let bytes = 0;
  let next = held;
  for (;;) {
    if (countMax === 0 && !held) return { documents, held: undefined, done: false };
    if (!next) {
      const step = iterator.next();
      if (step.done) return { documents, held: undefined, done: true };
      next = step.value;
    }
    if (breath.isSpent) await breath.rest();
    if (!next) continue;
    if (documents.length >= countMax || (documents.length > 0 && bytes + next.length > BATCH_BYTES_MAX)) {
      return { documents, held: next, done: false };
    }
    documents.push(next);
    bytes += next.length;
    next = undefined;
  }
}
