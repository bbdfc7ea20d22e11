/** Compares the two sides of a move, row by row in the clear, while writers go on. */
import { BSON, type Document } from "mongodb";
import { createHash } from "node:crypto";
import type { TenantId } from "../../kernel/ids.js";
import { movingCollections, type MovingCollection } from "./moving-collections.js";
import { clearRow, type InTurn, type MovingHome, type RowSet } from "./moving-home.js";

export interface Comparison {
  readonly rows: number;
  /** SHA-256 over the digests of all equal rows, in order. */
  readonly sha256: string;
  /** Rows that were not equal, or on one side alone, when they were looked at. A writer may have been at them: they are looked at again. */
  readonly differing: readonly RowSet[];
}

interface Digested {
  readonly id: string;
  readonly digest: string;
}

const rowsOfTurn = 100;

/**
 * Walks both sides in the order of `_id`, so that it needs no memory for what is equal, and goes on
 * after each hundred rows when `inTurn` lets it. `onRow` may throw to stop.
 */
export async function compareTenant(source: MovingHome, target: MovingHome, tenantId: TenantId, inTurn: InTurn, onRow: () => void): Promise<Comparison> {
  const all = createHash("sha256");
  const differing: RowSet[] = [];
  let [rows, seen] = [0, 0];
  for (const collection of movingCollections) {
    const [left, right] = [digests(source, collection, tenantId), digests(target, collection, tenantId)];
    let [a, b] = [await next(left), await next(right)];
    while (a !== undefined || b !== undefined) {
      onRow();
      if ((seen += 1) % rowsOfTurn === 0) await inTurn(async () => {});
      const id = b === undefined || (a !== undefined && a.id <= b.id) ? (a as Digested).id : b.id;
      const [mine, theirs] = [a?.id === id ? a : undefined, b?.id === id ? b : undefined];
      if (mine?.digest === theirs?.digest) {
        rows += 1;
        all.update(mine?.digest ?? "");
      } else differing.push({ collection, field: "_id", value: id });
      if (mine !== undefined) a = await next(left);
      if (theirs !== undefined) b = await next(right);
    }
  }
  return { rows, sha256: all.digest("hex"), differing };
}

/** Rows of one look at a set by `_id`. */
const idsMax = 200;

/** Which of these sets still differ between the two sides. */
export async function differingSets(source: MovingHome, target: MovingHome, tenantId: TenantId, sets: Iterable<RowSet>): Promise<readonly RowSet[]> {
  const byId = new Map<string, string[]>();
  const differing: RowSet[] = [];
  for (const set of sets) {
    if (set.field === "_id") byId.set(set.collection, [...(byId.get(set.collection) ?? []), set.value]);
    else if (!(await equalSets(source, target, tenantId, set))) differing.push(set);
  }
  for (const [collection, ids] of byId) {
    for (let start = 0; start < ids.length; start += idsMax) {
      const some = ids.slice(start, start + idsMax);
      const [mine, theirs] = await Promise.all([source, target].map((side) => digestsOf(side, collection, { tenant_id: tenantId, _id: { $in: some } })));
      for (const id of some) if (mine?.get(id) !== theirs?.get(id)) differing.push({ collection, field: "_id", value: id });
    }
  }
  return differing;
}

async function equalSets(source: MovingHome, target: MovingHome, tenantId: TenantId, { collection, field, value }: RowSet): Promise<boolean> {
  const [mine, theirs] = await Promise.all([source, target].map((side) => digestsOf(side, collection, { tenant_id: tenantId, [field]: value })));
  if (mine === undefined || theirs === undefined || mine.size !== theirs.size) return false;
  return [...mine].every(([id, digest]) => theirs.get(id) === digest);
}

async function digestsOf(side: MovingHome, collection: string, filter: Document): Promise<ReadonlyMap<string, string>> {
  const found = new Map<string, string>();
  const rows = side.database.db.collection(collection).find(filter, { promoteValues: false, readConcern: { level: "majority" } });
  for await (const row of rows) found.set(String(row["_id"]), await digestOf(side, collection as MovingCollection, row));
  return found;
}

async function* digests(side: MovingHome, collection: MovingCollection, tenantId: TenantId): AsyncGenerator<Digested> {
  const rows = side.database.db
    .collection(collection)
    .find({ tenant_id: tenantId }, { promoteValues: false, readConcern: { level: "majority" } })
    .sort({ _id: 1 })
    .hint({ tenant_id: 1, _id: 1 });
  for await (const row of rows) yield { id: String(row["_id"]), digest: await digestOf(side, collection, row) };
}

async function next(from: AsyncGenerator<Digested>): Promise<Digested | undefined> {
  const result = await from.next();
  return result.done === true ? undefined : result.value;
}

/** Of the row in the clear, fields by name: sealing and opening may put them in another order, and nothing else. */
async function digestOf(side: MovingHome, collection: MovingCollection, row: Document): Promise<string> {
  const clear = await clearRow(side, collection, row);
  const ordered = Object.fromEntries(Object.keys(clear).toSorted().map((field) => [field, clear[field] as unknown]));
  return createHash("sha256").update(BSON.serialize(ordered)).digest("base64");
}
