/*
 * One delete statement: finds, locks, looks again, deletes.
 * Before it: the delete and findAndModify commands; after it: document-writer.ts.
 */
import { decode, type Doc } from "../semantics/bson-codec.js";
import { compileMatcher } from "../semantics/matcher.js";
import type { Breath } from "./breathe.js";
import type { CollectionState } from "./catalog.js";
import { prepareRead, readSorted } from "./collection-reader.js";
import { deleteDocument } from "./document-writer.js";
import { documentKey } from "./keys.js";
import type { WorkUnit } from "./work-unit.js";

export interface DeleteStatement {
  filter: Doc;
  /** All that match, or the first. */
  multi: boolean;
  sort?: Doc | undefined;
  hint?: string | Doc | undefined;
  let?: Doc | undefined;
}

export interface DeleteOutcome {
  deleted: number;
  /** The last document deleted. */
  before: Doc | undefined;
}

/** Throws EngineError 112 WriteConflict. */
export async function deleteDocuments(unit: WorkUnit, collection: CollectionState, statement: DeleteStatement, breath: Breath): Promise<DeleteOutcome> {
  const total: DeleteOutcome = { deleted: 0, before: undefined };
  const matches = compileMatcher(statement.filter, statement.let ? { let: statement.let } : undefined);
  for (const found of readSorted(prepareRead(unit, collection, statement))) {
    const before = found && (await deleteLocked(unit, collection, found.idKey, matches));
    if (before) {
      total.deleted += 1;
      total.before = before;
      if (!statement.multi) return total;
    }
    if (unit.isFull && !unit.snapshot) await unit.flush();
    if (breath.isSpent) await breath.rest();
  }
  return total;
}

async function deleteLocked(unit: WorkUnit, collection: CollectionState, idKey: Buffer, matches: (doc: Doc) => boolean): Promise<Doc | undefined> {
  while ((await unit.lock(documentKey(collection.id, idKey))) === "restart");
  const bytes = unit.read(collection, idKey);
  if (!bytes) return undefined;
  const doc = decode(bytes);
  if (!matches(doc)) return undefined;
  deleteDocument(unit, collection, idKey, { bytes, doc });
  return doc;
}
