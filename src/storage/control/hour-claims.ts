import { MongoBulkWriteError, type AnyBulkWriteOperation, type Collection } from "mongodb";
import { randomBytes } from "node:crypto";
import { serviceUnavailable } from "../../kernel/errors.js";
import { duplicateKey } from "./duplicate-key.js";
import { hourId, hourOf, type HourDocument, type UsageDocument } from "./usage-documents.js";

interface Claim {
  readonly name: string;
  readonly tenantId: string;
  readonly hour: Date;
  readonly claimedAt: number;
  usedAt: number;
  inUse: number;
}

/** A claim is written anew before it is this old. Well below `claimAgeMsMax`: between the two a writer may be slow. */
const claimRenewMs = 30 * 60_000;
/** Claims of servers that died are ignored after this. */
export const claimAgeMsMax = 2 * 3_600_000;
/** Longer than any server works on an insert. */
const unknownOutcomeMs = 10 * 60_000;
const upsertTriesMax = 5;

/**
 * This server's claims on hours of tenants. A row is only ever inserted while its hour is claimed,
 * and a claimed hour is read from its rows, not from its rollups: so a row that has been
 * acknowledged is counted whatever the projector was doing, and a writer that dies between claim and
 * row leaves a claim behind, not a gap. One write an hour, tenant and server, none for most batches.
 *
 * The one gap left: a writer that sleeps between claim and insert for over an hour and a half, then
 * inserts, and dies before its next release. The projector's daily count of rows finds that.
 */
export class HourClaims {
  readonly #claims = new Map<string, Claim>();
  readonly #server = randomBytes(9).toString("hex");
  #made = 0;

  constructor(private readonly hours: Collection<HourDocument>) {}

  /** Runs `insert` with the hours of `rows` claimed. Throws what claiming throws: then nothing was inserted. */
  async during<Value>(rows: readonly UsageDocument[], insert: () => Promise<Value>): Promise<Value> {
    const claims = await this.#claim(rows);
    // An insert whose outcome is not known may still land: its claim is kept longer.
    let pauseMs = unknownOutcomeMs;
    try {
      const value = await insert();
      pauseMs = 0;
      return value;
    } finally {
      for (const claim of claims) {
        claim.inUse -= 1;
        claim.usedAt = Math.max(claim.usedAt, performance.now() + pauseMs);
      }
    }
  }

  /** Ends the claims that no row has needed for `idleMs`. Its hours can be projected then. */
  async release(idleMs: number): Promise<void> {
    const now = performance.now();
    const idle = [...this.#claims].filter(([, claim]) => claim.inUse === 0 && now - claim.usedAt >= idleMs);
    // Forgotten first: a row that comes meanwhile makes a claim of another name, which this end cannot take away.
    for (const [key] of idle) this.#claims.delete(key);
    await this.#write(idle.map(([id, claim]) => update(id, claim, { $unset: { [`claims.${claim.name}`]: "" } })));
  }

  async #claim(rows: readonly UsageDocument[]): Promise<readonly Claim[]> {
    const now = performance.now();
    const needed = new Map(rows.map((row) => [hourId(row.tenant_id, hourOf(row.at)), row] as const));
    const claims = new Map<string, Claim>();
    const fresh = new Map<string, Claim>();
    for (const [id, row] of needed) {
      const known = this.#claims.get(id);
      if (known !== undefined && now - known.claimedAt < claimRenewMs) claims.set(id, known);
      else fresh.set(id, this.#make(row, now));
    }
    for (const claim of claims.values()) claim.inUse += 1;
    try {
      await this.#renew(fresh);
    } catch (error) {
      for (const claim of claims.values()) claim.inUse -= 1;
      throw error;
    }
    return [...claims.values(), ...fresh.values()];
  }

  async #renew(fresh: ReadonlyMap<string, Claim>): Promise<void> {
    if (fresh.size === 0) return;
    const at = new Date();
    await this.#write([...fresh].map(([id, claim]) => update(id, claim, { $set: { [`claims.${claim.name}`]: at, claimed_at: at } })));
    const replaced = [...fresh.keys()].flatMap((id) => {
      const old = this.#claims.get(id);
      // One in use ends by its age: its rows are not there yet.
      return old === undefined || old.inUse > 0 ? [] : [update(id, old, { $unset: { [`claims.${old.name}`]: "" } })];
    });
    for (const [id, claim] of fresh) this.#claims.set(id, claim);
    await this.#write(replaced);
  }

  #make(row: UsageDocument, now: number): Claim {
    return { name: `${this.#server}_${++this.#made}`, tenantId: row.tenant_id, hour: hourOf(row.at), claimedAt: now, usedAt: now, inUse: 1 };
  }

  async #write(updates: AnyBulkWriteOperation<HourDocument>[]): Promise<void> {
    if (updates.length > 0) await upsertAll(this.hours, updates);
  }
}

function update(id: string, { tenantId, hour }: Pick<Claim, "tenantId" | "hour">, change: object): AnyBulkWriteOperation<HourDocument> {
  return { updateOne: { filter: { _id: id }, update: { $setOnInsert: { tenant_id: tenantId, hour }, $inc: { touches: 1 }, ...change }, upsert: true } };
}

/** Says that the rows of an hour may have changed, without a claim. */
export function touch(tenantId: string, hour: Date): AnyBulkWriteOperation<HourDocument> {
  return update(hourId(tenantId, hour), { tenantId, hour }, {});
}

/** Two servers may make one document at the same moment: the second is told of a duplicate, and its update is made anew. */
export async function upsertAll(hours: Collection<HourDocument>, updates: readonly AnyBulkWriteOperation<HourDocument>[]): Promise<void> {
  let left = [...updates];
  for (let tries = 1; left.length > 0; tries += 1) {
    try {
      await hours.bulkWrite(left, { ordered: false, writeConcern: { w: "majority" } });
      return;
    } catch (error) {
      const failed = duplicatesOf(error);
      // Never as the driver's own error of a bulk: the writer of rows would take its duplicates for rows that have landed.
      if (failed === undefined || tries === upsertTriesMax) throw error instanceof MongoBulkWriteError ? serviceUnavailable("Hours of the usage ledger cannot be claimed", 1_000, error) : error;
      left = left.filter((_update, index) => failed.has(index));
    }
  }
}

/** Indexes of the writes that were refused as duplicates; undefined when anything else went wrong. */
export function duplicatesOf(error: unknown): ReadonlySet<number> | undefined {
  if (!(error instanceof MongoBulkWriteError) || error.result.getWriteConcernError() !== undefined) return undefined;
  const failures = Array.isArray(error.writeErrors) ? error.writeErrors : [error.writeErrors];
  return failures.length > 0 && failures.every((failure) => failure.code === duplicateKey) ? new Set(failures.map((failure) => failure.index)) : undefined;
}
