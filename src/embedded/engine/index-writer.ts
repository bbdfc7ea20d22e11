/*
 * Keeps index entries in step with documents, inside the commit that changes them.
 * Before it: database.ts; after it: the LMDB file.
 */
import type { Doc } from "../semantics/bson-codec.js";
import { documentPrefix, successor } from "./keys.js";
import type { CollectionState } from "./catalog.js";
import type { WriteView } from "./database-file.js";
import { duplicateKey } from "./errors.js";
import { indexEntries, type DocumentEntries, type IndexState } from "./index-state.js";
import { decode } from "../semantics/bson-codec.js";
import { walk } from "./read-view.js";

export interface DocumentChange {
  idKey: Buffer;
  before: Doc | undefined;
  after: Doc | undefined;
  /** Of `after`, where they have been derived already. */
  entries?: ReadonlyMap<IndexState, DocumentEntries> | undefined;
}

/** True when a flag of the index changed and the catalog must be written again. */
export function writeIndexEntries(view: WriteView, index: IndexState, change: DocumentChange): boolean {
  const before = change.before ? indexEntries(index, change.before, change.idKey) : undefined;
  const after = change.after ? (change.entries?.get(index) ?? indexEntries(index, change.after, change.idKey)) : undefined;
  if (!before) {
    for (const { key } of after?.entries ?? []) view.put(key, change.idKey);
    return noteFlags(index, (after?.entries.length ?? 0) > 1, after?.hashed ?? false);
  }
  const kept = new Set(after?.entries.map((entry) => entry.key.toString("latin1")));
  for (const { key } of before.entries) {
    if (kept.has(key.toString("latin1"))) kept.delete(key.toString("latin1"));
    else removeOwn(view, index, key, change.idKey);
  }
  for (const { key } of after?.entries ?? []) {
    if (kept.has(key.toString("latin1"))) view.put(key, change.idKey);
  }
  return noteFlags(index, (after?.entries.length ?? 0) > 1, after?.hashed ?? false);
}

/** In a commit that moves a unique value between documents the new owner may have written the key already. */
function removeOwn(view: WriteView, index: IndexState, key: Buffer, idKey: Buffer): void {
  if (!index.unique || view.get(key)?.equals(idKey)) view.remove(key);
}

function noteFlags(index: IndexState, multikey: boolean, hashed: boolean): boolean {
  const changed = (multikey && !index.multikey) || (hashed && !index.hashed);
  index.multikey ||= multikey;
  index.hashed ||= hashed;
  return changed;
}

/**
 * Fills a new index from the documents there are; refuses before writing the first entry.
 * Throws EngineError 11000 DuplicateKey, 171 CannotIndexParallelArrays.
 */
export function buildIndex(view: WriteView, namespace: string, collection: CollectionState, index: IndexState): void {
  const entries = new Map<string, Buffer>();
  const prefix = documentPrefix(collection.id);
  for (const { key, value } of walk(view, prefix, successor(prefix))) {
    const idKey = key.subarray(prefix.length);
    const own = indexEntries(index, decode(value), idKey);
    for (const entry of own.entries) {
      const text = entry.key.toString("latin1");
      const holder = entries.get(text);
      if (index.unique && holder && !holder.equals(idKey)) throw duplicateEntry(namespace, index, entry.tuple);
      entries.set(text, idKey);
    }
    noteFlags(index, own.entries.length > 1, own.hashed);
  }
  for (const [text, idKey] of entries) view.put(Buffer.from(text, "latin1"), idKey);
}

export function duplicateEntry(namespace: string, index: IndexState, tuple: readonly unknown[]): Error {
  const keyValue = Object.fromEntries(index.paths.map((path, at) => [path, tuple[at] ?? null]));
  return duplicateKey(namespace, index.name, index.spec["key"] as Doc, keyValue);
}
