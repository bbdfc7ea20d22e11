/**
 * Brings a target up to its source without stopping the source's writers. Every write carries the
 * number of its stripe, which it took in its own transaction; transactions of one stripe exclude each
 * other on the stripe's document, so within a stripe the order of numbers is the order of commits.
 * Hence what a stripe had reached when its number was read is all there, and what comes later bears
 * higher numbers. Between stripes no order is needed: rows are made equal to what the source holds
 * now, and removed sets too.
 */
import { BSON, type AnyBulkWriteOperation, type Document, type FindCursor, type FindOptions } from "mongodb";
import type { TenantId } from "../../kernel/ids.js";
import type { Watermarks } from "../control/control-plane.js";
import { carryWatermarks, readWatermarks } from "../fence.js";
import type { CollectionName, StoredTombstone } from "../rows.js";
import { asMover } from "./mover-guard.js";
import { movingCollections } from "./moving-collections.js";
import { clearRow, storedRow, type InTurn, type MovingHome, type RowSet } from "./moving-home.js";

const batchRowsMax = 100;
const batchBytesMax = 1024 * 1024;

export interface FollowedRound {
  /** Everything of the source up to here is in the target now. */
  readonly marks: Watermarks;
  readonly rows: number;
  /** What was written or removed in the target, to be compared with the source once more. */
  readonly touched: readonly RowSet[];
}

/**
 * Applies what the source's writers did after `since`. Repeating it changes nothing. Each batch is
 * written when `inTurn` lets it; without it, writers wait and little is expected, so all is read at once. Throws `CONFLICT` when the target is
 * no longer this mover's.
 */
export async function followTenant(source: MovingHome, target: MovingHome, tenantId: TenantId, token: string, since: Watermarks, inTurn?: InTurn): Promise<FollowedRound> {
  const marks = await readWatermarks(source.database, tenantId);
  const before = new Map(since.map(({ stripe, seq }) => [stripe, seq]));
  const ahead = marks.filter(({ stripe, seq }) => seq > (before.get(stripe) ?? 0));
  if (ahead.length === 0) return { marks, rows: 0, touched: [] };
  const newer = ahead.map(({ stripe }) => ({ tenant_id: tenantId, stripe, seq: { $gt: before.get(stripe) ?? 0 } }));
  const small = inTurn === undefined;
  const batch = new FollowBatch(target, tenantId, token, inTurn ?? ((write) => write()));
  const touched: RowSet[] = [];
  const changed = movingCollections.map((collection) => ({ collection, cursors: found(source, collection, newer, { promoteValues: false }) }));
  const read = small ? await Promise.all(changed.map(async ({ collection, cursors }) => ({ collection, rows: await allOf(cursors) }))) : changed.map(({ collection, cursors }) => ({ collection, rows: oneByOne(cursors) }));
  for (const { collection, rows } of read) {
    for await (const row of rows) {
      touched.push({ collection, field: "_id", value: String(row["_id"]) });
      await batch.replace(collection, await storedRow(target, collection, await clearRow(source, collection, row)));
    }
  }
  // After the rows: one that was read above and removed a moment later has its tombstone here or in the next round.
  const graves = found(source, "tombstones", newer, {});
  for await (const grave of small ? await allOf(graves) : oneByOne(graves)) {
    const { collection, field, value } = grave as StoredTombstone & Document;
    touched.push({ collection, field, value });
    const kept = await source.database.db
      .collection<{ _id: string }>(collection)
      .find({ tenant_id: tenantId, [field]: value } as Document, { projection: { _id: 1 }, readConcern: { level: "majority" } })
      .toArray();
    await batch.removeOthers(collection, field, value, kept.map(({ _id }) => _id));
  }
  await batch.flush(marks);
  return { marks, rows: batch.rows, touched };
}

/** One query a stripe, so that each is a range of the index on stripe and number. */
function found(source: MovingHome, collection: CollectionName, filters: readonly Document[], options: FindOptions): readonly FindCursor<Document>[] {
  return filters.map((filter) => source.database.db.collection(collection).find(filter, { ...options, readConcern: { level: "majority" } }).hint({ tenant_id: 1, stripe: 1, seq: 1 }));
}

async function allOf(cursors: readonly FindCursor<Document>[]): Promise<readonly Document[]> {
  return (await Promise.all(cursors.map((cursor) => cursor.toArray()))).flat();
}

async function* oneByOne(cursors: readonly FindCursor<Document>[]): AsyncGenerator<Document> {
  for (const cursor of cursors) yield* cursor;
}

/** Gathers changes of several collections into one transaction on the target. */
class FollowBatch {
  #changes = new Map<string, AnyBulkWriteOperation<Document>[]>();
  #count = 0;
  #bytes = 0;
  rows = 0;

  constructor(private readonly target: MovingHome, private readonly tenantId: TenantId, private readonly token: string, private readonly inTurn: InTurn) {}

  async replace(collection: string, row: Document): Promise<void> {
    this.rows += 1;
    await this.#add(collection, { replaceOne: { filter: { _id: row["_id"], tenant_id: this.tenantId }, replacement: row, upsert: true } }, BSON.calculateObjectSize(row));
  }

  async removeOthers(collection: string, field: string, value: string, kept: readonly string[]): Promise<void> {
    const others = field === "_id" ? (kept.includes(value) ? undefined : { _id: value }) : { [field]: value, _id: { $nin: kept } };
    if (others === undefined) return;
    await this.#add(collection, { deleteMany: { filter: { ...others, tenant_id: this.tenantId } as Document } }, 0);
  }

  /** With `marks`, also carries them over: the numbering of the target goes on from there. */
  async flush(marks?: Watermarks): Promise<void> {
    if (this.#count === 0 && marks === undefined) return;
    const changes = this.#changes;
    [this.#changes, this.#count, this.#bytes] = [new Map(), 0, 0];
    const { db } = this.target.database;
    const write = () =>
      asMover(this.target.database, this.tenantId, this.token, async (session) => {
        for (const [collection, operations] of changes) await db.collection(collection).bulkWrite(operations, { session, ordered: true });
        if (marks !== undefined) await carryWatermarks(this.target.database, this.tenantId, marks, session);
      });
    await this.inTurn(write);
  }

  async #add(collection: string, operation: AnyBulkWriteOperation<Document>, bytes: number): Promise<void> {
    this.#changes.set(collection, [...(this.#changes.get(collection) ?? []), operation]);
    this.#count += 1;
    this.#bytes += bytes;
    if (this.#count >= batchRowsMax || this.#bytes >= batchBytesMax) await this.flush();
  }
}
