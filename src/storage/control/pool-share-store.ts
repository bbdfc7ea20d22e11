import type { Collection, Document, Filter } from "mongodb";
import { serviceUnavailable } from "../../kernel/errors.js";
import { permilleTotal, type PoolShareStore, type ServerShare, type ShareBeat, type ShareView } from "./pool-share-rows.js";

interface StoredServer extends ServerShare {
  seq: number;
  until: Date;
}

export interface PoolShareDocument {
  _id: string;
  at: Date;
  servers: StoredServer[];
}

/** A beat that took longer would be worth less than the next one. */
const beatMsMax = 1_000;
const written = { writeConcern: { w: "majority" }, timeoutMS: beatMsMax } as const;

export class MongoPoolShareStore implements PoolShareStore {
  constructor(private readonly shares: Collection<PoolShareDocument>) {}

  async beat(group: string, beat: ShareBeat): Promise<ShareView> {
    const { server, seq, claims, leaseMs, slotsTotal } = beat;
    // One server's clock must not decide about another's lease: every time here is the database's.
    const others: Document = { $filter: { input: { $ifNull: ["$servers", []] }, cond: { $and: [{ $ne: ["$$this.id", server] }, { $gt: ["$$this.until", "$$NOW"] }] } } };
    const mine: Document = {
      id: server,
      seq,
      until: { $add: ["$$NOW", leaseMs] },
      slots: partOf("slots", beat.slots, slotsTotal),
      permille: partOf("permille", beat.permille, permilleTotal),
      claims: { $literal: claims },
    };
    const row = await this.shares.findOneAndUpdate(
      // A row that this does not match is there already, so the upsert runs into its id: CONFLICT.
      { _id: group, servers: { $not: { $elemMatch: { id: server, seq: { $gte: seq } } } } } as Filter<PoolShareDocument>,
      [{ $set: { at: "$$NOW", servers: others } }, { $set: { servers: { $concatArrays: ["$servers", [mine]] } } }],
      { ...written, upsert: true, returnDocument: "after" },
    );
    if (row === null) throw serviceUnavailable("The row of a pool's shares was not given back", beatMsMax);
    return { at: row.at.getTime(), servers: row.servers.map(({ id, slots, permille, claims: theirs }) => ({ id, slots, permille, claims: theirs })) };
  }

  async leave(group: string, server: string): Promise<void> {
    await this.shares.updateOne({ _id: group }, { $pull: { servers: { id: server } } }, written);
  }
}

/** What is wanted, or what the others leave of it. Theirs may be more than the total while servers are told of another one. */
function partOf(field: "slots" | "permille", wanted: number, total: number): Document {
  return { $max: [0, { $min: [wanted, { $subtract: [total, { $sum: `$servers.${field}` }] }] }] };
}
