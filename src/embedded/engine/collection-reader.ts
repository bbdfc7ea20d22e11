/*
 * Walks a plan and yields the documents that match, the unit's own changes included.
 * Before it: planner.ts; after it: commands that read, and the first half of every update and delete.
 */
import { decode, type Doc } from "../semantics/bson-codec.js";
import { compileMatcher } from "../semantics/matcher.js";
import { compileSort } from "../semantics/sort.js";
import type { CollectionState } from "./catalog.js";
import { documentKey, documentPrefix, keyText } from "./keys.js";
import { planRead, type Plan } from "./planner.js";
import { walk } from "./read-view.js";
import type { WorkUnit } from "./work-unit.js";

export interface ReadStats {
  keysExamined: number;
  docsExamined: number;
}

export class Found {
  #doc: Doc | undefined;

  constructor(
    readonly idKey: Buffer,
    readonly bytes: Buffer,
  ) {}

  /** Decoded when first asked for: a find by `_id` sends the stored bytes and never asks. */
  get doc(): Doc {
    return (this.#doc ??= decode(this.bytes));
  }
}

export interface ReadRequest {
  filter: Doc;
  sort?: Doc | undefined;
  hint?: string | Doc | undefined;
  let?: Doc | undefined;
  stats?: ReadStats;
}

export interface PreparedRead {
  plan: Plan;
  /** What the plan's order leaves to be sorted in memory. */
  sort: Doc | undefined;
  /** Undefined is a step that found nothing: a long search for few documents can still be suspended there. */
  steps(): Generator<Found | undefined>;
  /** The matches alone, for those who cannot be suspended anyway. */
  documents(): Generator<Found>;
}

export function prepareRead(unit: WorkUnit, collection: CollectionState, request: ReadRequest): PreparedRead {
  const plan = planRead(collection, { ...request, usable: (index) => unit.usable(index) });
  const stats = request.stats ?? { keysExamined: 0, docsExamined: 0 };
  const matches = compileMatcher(request.filter, request.let ? { let: request.let } : undefined);
  const wanted = request.sort && Object.keys(request.sort).length > 0 ? request.sort : undefined;
  // The overlay is not in index order, so a transaction that changed this collection sorts in memory.
  const ordered = plan.sorted && !unit.overlay(collection);
  const isSure = sureness(unit, collection, plan);
  const steps = function* (): Generator<Found | undefined> {
    for (const found of candidates(unit, collection, plan, stats)) yield isSure() || matches(found.doc) ? found : undefined;
  };
  const documents = function* (): Generator<Found> {
    for (const found of steps()) if (found) yield found;
  };
  return { plan, sort: ordered ? undefined : wanted, steps, documents };
}

/** Whether the keys have said already that a document matches, so that it need not be decoded for the matcher. */
function sureness(unit: WorkUnit, collection: CollectionState, plan: Plan): () => boolean {
  if (plan.kind === "ids") return () => plan.exact;
  if (plan.kind === "collection" || !plan.exact || unit.overlay(collection)) return () => false;
  if (unit.snapshot) return () => true;
  // A walk of the latest state may be suspended: a document read after a commit may not be what its key said.
  const { file } = unit.database;
  const began = file.version;
  return () => file.version === began;
}

/** All documents in the order of the request; without a sort they come lazily. Undefined as in `steps`. */
export function* readSorted(read: PreparedRead): Generator<Found | undefined> {
  if (!read.sort) {
    yield* read.steps();
    return;
  }
  const all: Found[] = [];
  for (const found of read.steps()) {
    if (found) all.push(found);
    yield undefined;
  }
  const compare = compileSort(read.sort);
  yield* all.toSorted((a, b) => compare(a.doc, b.doc));
}

function* candidates(unit: WorkUnit, collection: CollectionState, plan: Plan, stats: ReadStats): Generator<Found> {
  if (plan.kind === "ids") {
    for (const idKey of plan.idKeys) yield* one(unit, collection, idKey, stats);
    return;
  }
  const overlay = unit.overlay(collection);
  const stored = plan.kind === "index" ? byIndex(unit, collection, plan, stats) : byCollection(unit, collection, plan, stats);
  for (const found of stored) if (!overlay?.has(keyText(found.idKey))) yield found;
  for (const change of overlay?.values() ?? []) if (change.after) yield new Found(change.idKey, change.after.bytes);
}

function* one(unit: WorkUnit, collection: CollectionState, idKey: Buffer, stats: ReadStats): Generator<Found> {
  stats.keysExamined += 1;
  const bytes = unit.read(collection, idKey);
  if (!bytes) return;
  stats.docsExamined += 1;
  yield new Found(idKey, bytes);
}

function* byIndex(unit: WorkUnit, collection: CollectionState, plan: Extract<Plan, { kind: "index" }>, stats: ReadStats): Generator<Found> {
  const seen = plan.index.multikey ? new Set<string>() : undefined;
  const ranges = plan.reverse ? plan.ranges.toReversed() : plan.ranges;
  for (const range of ranges) {
    for (const { value: idKey } of walk(unit.view, range.start, range.end, plan.reverse)) {
      stats.keysExamined += 1;
      if (seen?.has(keyText(idKey))) continue;
      seen?.add(keyText(idKey));
      const bytes = unit.view.get(documentKey(collection.id, idKey));
      // Between two chunks of a long scan a document may have been deleted.
      if (!bytes) continue;
      stats.docsExamined += 1;
      yield new Found(idKey, bytes);
    }
  }
}

function* byCollection(unit: WorkUnit, collection: CollectionState, plan: Extract<Plan, { kind: "collection" }>, stats: ReadStats): Generator<Found> {
  const prefixLength = documentPrefix(collection.id).length;
  for (const range of plan.ranges) {
    for (const { key, value } of walk(unit.view, range.start, range.end, plan.reverse)) {
      stats.docsExamined += 1;
      yield new Found(key.subarray(prefixLength), value);
    }
  }
}
