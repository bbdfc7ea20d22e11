/*
 * Inserts, replaces and deletes one document in a work unit: locks, validator and unique keys, all before staging.
 * Before it: the write commands; after it: work-unit.ts.
 */
import { EngineError } from "../engine-error.js";
import { encode, type Doc } from "../semantics/bson-codec.js";
import type { CollectionState } from "./catalog.js";
import { duplicateKey } from "./errors.js";
import { indexEntries, type DocumentEntries, type IndexState } from "./index-state.js";
import { duplicateEntry } from "./index-writer.js";
import { documentKey, idKeyOf, keyText } from "./keys.js";
import { validate } from "./validator.js";
import type { Change, StoredDocument, WorkUnit } from "./work-unit.js";

/** BSON's own limit of a document, 16 MB. */
export const DOCUMENT_BYTES_MAX = 16 * 1024 * 1024;

/** "restart": locks were lost on the way; the caller reads its document again and repeats the call. */
export type WriteOutcome = "staged" | "restart";

/** Throws EngineError 11000, 121, 112, 10334 (too large). */
export async function insertDocument(
  unit: WorkUnit,
  collection: CollectionState,
  stored: StoredDocument,
  options: { validated?: boolean } = {},
): Promise<WriteOutcome> {
  if (!options.validated) validate(collection.validator, stored.doc);
  refuseTooLarge(stored.bytes);
  const id = idKeyOf(stored.doc["_id"]);
  if ((await unit.lock(documentKey(collection.id, id.bytes))) === "restart") return "restart";
  if (unit.read(collection, id.bytes)) {
    throw duplicateKey(unit.database.namespace(collection), "_id_", { _id: 1 }, { _id: stored.doc["_id"] });
  }
  return stageChecked(unit, collection, { idKey: id.bytes, hashedId: id.hashed, before: undefined, after: stored });
}

/** The caller holds the lock on the document and has read `before` under it. */
export async function replaceDocument(
  unit: WorkUnit,
  collection: CollectionState,
  idKey: Buffer,
  before: StoredDocument,
  after: Doc,
): Promise<WriteOutcome> {
  validate(collection.validator, after, before.doc);
  const bytes = encode(after);
  refuseTooLarge(bytes);
  return stageChecked(unit, collection, { idKey, hashedId: false, before, after: { bytes, doc: after } });
}

export function deleteDocument(unit: WorkUnit, collection: CollectionState, idKey: Buffer, before: StoredDocument): void {
  for (const index of uniqueIndexes(collection)) {
    for (const { key } of indexEntries(index, before.doc, idKey).entries) unit.uniqueEntries.set(keyText(key), undefined);
  }
  unit.stage(collection, { idKey, hashedId: false, before, after: undefined });
}

async function stageChecked(unit: WorkUnit, collection: CollectionState, change: Change): Promise<WriteOutcome> {
  const after = change.after?.doc ?? {};
  const claims: [string, string | undefined][] = [];
  const entries = new Map<IndexState, DocumentEntries>();
  for (const index of collection.indexes) {
    // Every index is asked, so that arrays it cannot hold are refused before anything is staged.
    const own = indexEntries(index, after, change.idKey);
    entries.set(index, own);
    if (!index.unique) continue;
    const old = change.before ? indexEntries(index, change.before.doc, change.idKey).entries : [];
    const kept = new Set(own.entries.map((entry) => keyText(entry.key)));
    const held = new Set(old.map((entry) => keyText(entry.key)));
    for (const entry of own.entries) {
      // A key the document keeps is guarded by the document's own lock; taking it would invite deadlocks.
      if (held.has(keyText(entry.key))) continue;
      if ((await unit.lock(entry.key)) === "restart") return "restart";
      if (isTaken(unit, entry.key, change.idKey)) throw duplicateEntry(unit.database.namespace(collection), index, entry.tuple);
      claims.push([keyText(entry.key), keyText(change.idKey)]);
    }
    for (const { key } of old) {
      if (kept.has(keyText(key))) continue;
      // The freed key is locked too: a stranger must not take it before this commit is visible.
      if ((await unit.lock(key)) === "restart") return "restart";
      claims.push([keyText(key), undefined]);
    }
  }
  for (const [key, owner] of claims) unit.uniqueEntries.set(key, owner);
  unit.stage(collection, { ...change, entries });
  return "staged";
}

function isTaken(unit: WorkUnit, key: Buffer, idKey: Buffer): boolean {
  const text = keyText(key);
  const owner = unit.uniqueEntries.has(text) ? unit.uniqueEntries.get(text) : bytesText(unit.view.get(key));
  return owner !== undefined && owner !== keyText(idKey);
}

function bytesText(bytes: Buffer | undefined): string | undefined {
  return bytes && keyText(bytes);
}

function uniqueIndexes(collection: CollectionState): IndexState[] {
  return collection.indexes.filter((index) => index.unique);
}

function refuseTooLarge(bytes: Buffer): void {
  if (bytes.length <= DOCUMENT_BYTES_MAX) return;
  throw new EngineError(10334, "BSONObjectTooLarge", `BSONObj size: ${bytes.length} is invalid. Size must be between 0 and ${DOCUMENT_BYTES_MAX}`);
}
