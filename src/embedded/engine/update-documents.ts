/*
 * One update statement: finds, locks, looks again, changes; upserts when nothing matched.
 * Before it: the update and findAndModify commands; after it: document-writer.ts.
 */
import { EngineError } from "../engine-error.js";
import { decode, encode, type Doc } from "../semantics/bson-codec.js";
import { compileMatcher } from "../semantics/matcher.js";
import { applyUpdate, documentFromUpsert } from "../semantics/update.js";
import { collectBreathing, type Breath } from "./breathe.js";
import type { CollectionState } from "./catalog.js";
import { prepareRead, readSorted } from "./collection-reader.js";
import { insertDocument, replaceDocument } from "./document-writer.js";
import { documentKey } from "./keys.js";
import { withId } from "./with-id.js";
import type { StoredDocument, WorkUnit } from "./work-unit.js";

export interface UpdateStatement {
  filter: Doc;
  update: Doc | Doc[];
  multi: boolean;
  upsert: boolean;
  sort?: Doc | undefined;
  hint?: string | Doc | undefined;
  let?: Doc | undefined;
  arrayFilters?: Doc[] | undefined;
}

export interface UpdateOutcome {
  matched: number;
  modified: number;
  /** Of the last document touched. */
  before: Doc | undefined;
  after: Doc | undefined;
  upsertedId: unknown;
}

/** A lost race for the same new key is run again at most so often. */
const UPSERT_ATTEMPTS_MAX = 20;

/** Throws EngineError 11000, 121, 66, 112 and what applyUpdate throws. */
export async function updateDocuments(unit: WorkUnit, collection: CollectionState, statement: UpdateStatement, breath: Breath): Promise<UpdateOutcome> {
  for (let attempt = 1; ; attempt += 1) {
    const outcome = statement.multi ? await updateMany(unit, collection, statement, breath) : await updateFirst(unit, collection, statement, breath);
    if (outcome.matched > 0 || !statement.upsert) return outcome;
    try {
      return await upsert(unit, collection, statement);
    } catch (error) {
      // Another upsert was first: now the filter finds its document, as on a server.
      const lostRace = error instanceof EngineError && error.code === 11000 && !unit.snapshot;
      if (!lostRace || attempt >= UPSERT_ATTEMPTS_MAX) throw error;
      // The failed insert's locks would stand in the way of the winner's next writers.
      if (unit.changes.size === 0) unit.discard();
      if (attempt > 1 && !matchesAny(unit, collection, statement)) throw error;
    }
  }
}

function matchesAny(unit: WorkUnit, collection: CollectionState, statement: UpdateStatement): boolean {
  return !prepareRead(unit, collection, statement).documents().next().done;
}

async function updateMany(unit: WorkUnit, collection: CollectionState, statement: UpdateStatement, breath: Breath): Promise<UpdateOutcome> {
  const total = nothing();
  const matches = matcherOf(statement);
  // All targets first: an update that moves a document in the index must not meet it again.
  const targets = (await collectBreathing(prepareRead(unit, collection, statement).steps(), breath)).map((found) => found.idKey);
  for (const idKey of targets) {
    const one = await updateLocked(unit, collection, statement, idKey, matches);
    if (one) merge(total, one);
    if (unit.isFull && !unit.snapshot) await unit.flush();
    if (breath.isSpent) await breath.rest();
  }
  return total;
}

async function updateFirst(unit: WorkUnit, collection: CollectionState, statement: UpdateStatement, breath: Breath): Promise<UpdateOutcome> {
  const matches = matcherOf(statement);
  for (const found of readSorted(prepareRead(unit, collection, statement))) {
    const outcome = found && (await updateLocked(unit, collection, statement, found.idKey, matches));
    if (outcome) return outcome;
    if (breath.isSpent) await breath.rest();
  }
  return nothing();
}

/** Undefined when the document is gone or no longer matches, once the lock is held. */
async function updateLocked(
  unit: WorkUnit,
  collection: CollectionState,
  statement: UpdateStatement,
  idKey: Buffer,
  matches: (doc: Doc) => boolean,
): Promise<UpdateOutcome | undefined> {
  for (;;) {
    if ((await unit.lock(documentKey(collection.id, idKey))) === "restart") continue;
    const bytes = unit.read(collection, idKey);
    if (!bytes) return undefined;
    const before: StoredDocument = { bytes, doc: decode(bytes) };
    if (!matches(before.doc)) return undefined;
    const after = applyUpdate(before.doc, statement.update, {
      filter: statement.filter,
      ...(statement.arrayFilters ? { arrayFilters: statement.arrayFilters } : {}),
      ...(statement.let ? { let: statement.let } : {}),
    });
    const outcome = { matched: 1, modified: 0, before: before.doc, after, upsertedId: undefined };
    if (encode(after).equals(bytes)) return outcome;
    if ((await replaceDocument(unit, collection, idKey, before, after)) === "staged") return { ...outcome, modified: 1 };
  }
}

async function upsert(unit: WorkUnit, collection: CollectionState, statement: UpdateStatement): Promise<UpdateOutcome> {
  const base = documentFromUpsert(statement.filter, statement.update);
  const doc = withId(base).doc;
  const stored = { bytes: encode(doc), doc };
  let outcome = await insertDocument(unit, collection, stored);
  while (outcome === "restart") outcome = await insertDocument(unit, collection, stored);
  return { matched: 0, modified: 0, before: undefined, after: doc, upsertedId: doc["_id"] };
}

function matcherOf(statement: UpdateStatement): (doc: Doc) => boolean {
  return compileMatcher(statement.filter, statement.let ? { let: statement.let } : undefined);
}

function nothing(): UpdateOutcome {
  return { matched: 0, modified: 0, before: undefined, after: undefined, upsertedId: undefined };
}

function merge(total: UpdateOutcome, one: UpdateOutcome): void {
  total.matched += one.matched;
  total.modified += one.modified;
  total.before = one.before;
  total.after = one.after;
}
