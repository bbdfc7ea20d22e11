import { MongoServerError, type Collection } from "mongodb";
import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { conflict, internal, notFound } from "../../kernel/errors.js";
import type { KeyVault, SecretOwner, TenantSecret } from "./control-plane.js";
import { duplicateKey } from "./duplicate-key.js";
import { SecretWraps, type SecretDocument } from "./secret-wraps.js";
import type { WrappingKeys } from "./wrapped-key.js";

const secretBytes = 32;
const majority = { writeConcern: { w: "majority" } } as const;
/** Rivals for one secret are a few servers; each round one of them gets through. */
const attemptsMax = 20;
const attemptPauseMs = 10;

export class MongoKeyVault implements KeyVault {
  readonly #wraps: SecretWraps;

  constructor(private readonly secrets: Collection<SecretDocument>, keys: WrappingKeys) {
    this.#wraps = new SecretWraps(keys);
  }

  /** Throws `NOT_FOUND` for one that was destroyed: an erased tenant gets no new one. */
  async ensure(owner: SecretOwner, name: string): Promise<TenantSecret> {
    for (let attempt = 1; attempt <= attemptsMax; attempt += 1) {
      const found = await this.find(owner, name);
      if (found !== undefined) return found;
      if (await this.#isDestroyed(owner, name)) throw notFound("Key");
      if (!(await this.#insert(owner, name))) await sleep(attemptPauseMs);
    }
    throw conflict(`The key ${name} of ${owner} is being made by another server`);
  }

  /** Reads the database each time: whoever holds secrets for longer (`KeyRing`, `UserPseudonyms`) says for how long. */
  async find(owner: SecretOwner, name: string): Promise<TenantSecret | undefined> {
    // Majority: a key that could still be rolled back would take with it whatever it had sealed.
    const row = await this.secrets.findOne({ _id: rowId(owner, name) }, { readConcern: { level: "majority" }, readPreference: "primary" });
    if (row === null || row.destroyed_at !== undefined) return undefined;
    if (row.owner !== owner || row.name !== name) throw internal("A key lies in the row of another one");
    const secret = this.#wraps.open(row);
    // Made since this server started, by one that knows the old master key alone. Wraps of other keys are left to a start: that server needs them.
    if (!this.#wraps.isComplete(row)) await this.#rewrap(row);
    return secret;
  }

  async rotate(owner: SecretOwner, name: string): Promise<TenantSecret> {
    const row = await this.#change(owner, name, (before) => {
      const version = before.newest + 1;
      return { newest: version, versions: [...before.versions, this.#wraps.wrap(owner, name, version, randomBytes(secretBytes))] };
    });
    return this.#wraps.open(row);
  }

  /** Never destroys the newest one. */
  async retireBefore(owner: SecretOwner, name: string, version: number): Promise<void> {
    await this.#change(owner, name, (before) => ({ versions: before.versions.filter((stored) => stored.version >= Math.min(version, before.newest)) }));
  }

  async destroy(owner: SecretOwner, name: string): Promise<boolean> {
    const before = await this.secrets.findOneAndUpdate(
      { _id: rowId(owner, name) },
      {
        $set: { versions: [], destroyed_at: new Date() },
        // Also where there was none: whoever comes late with `ensure` must not make one for a tenant that is gone.
        $setOnInsert: { owner, name, newest: 0, created_at: new Date() },
        $inc: { revision: 1 },
      },
      { upsert: true, returnDocument: "before", ...majority },
    );
    return before !== null && before.destroyed_at === undefined;
  }

  async names(owner: SecretOwner): Promise<readonly string[]> {
    const rows = await this.secrets.find({ owner, destroyed_at: { $exists: false } }, { projection: { name: 1 } }).sort({ name: 1 }).toArray();
    return rows.map((row) => row.name);
  }

  /** Wraps every secret by the present keys and no others. Returns how many were wrapped otherwise. Throws `INTERNAL`. */
  async rewrapAll(): Promise<number> {
    let count = 0;
    for await (const row of this.secrets.find({ destroyed_at: { $exists: false } })) {
      // Also where nothing is to be done: a secret that no key opens must stop the start, not its tenant's first request.
      this.#wraps.open(row);
      if (this.#wraps.isComplete(row) && !this.#wraps.hasForeign(row)) continue;
      if (await this.#rewrap(row)) count += 1;
    }
    return count;
  }

  /** False when another server changes the row at the same moment: it wraps as it knows, and the next read looks again. */
  async #rewrap(row: SecretDocument): Promise<boolean> {
    const versions = this.#wraps.rewrapped(row);
    const result = await this.secrets.updateOne({ _id: row._id, revision: row.revision }, { $set: { versions }, $inc: { revision: 1 } }, majority);
    return result.modifiedCount === 1;
  }

  async #isDestroyed(owner: SecretOwner, name: string): Promise<boolean> {
    return (await this.secrets.findOne({ _id: rowId(owner, name), destroyed_at: { $exists: true } })) !== null;
  }

  async #insert(owner: SecretOwner, name: string): Promise<boolean> {
    const first = this.#wraps.wrap(owner, name, 1, randomBytes(secretBytes));
    try {
      await this.secrets.insertOne({ _id: rowId(owner, name), owner, name, newest: 1, versions: [first], revision: 1, created_at: new Date() }, majority);
      return true;
    } catch (error) {
      // Another server was first: its key is everyone's.
      if (error instanceof MongoServerError && error.code === duplicateKey) return false;
      throw error;
    }
  }

  /** Compare-and-set, so that no two servers both add a version, and none brings back one that was destroyed. */
  async #change(owner: SecretOwner, name: string, change: (before: SecretDocument) => Partial<Pick<SecretDocument, "newest" | "versions">>): Promise<SecretDocument> {
    for (let attempt = 1; attempt <= attemptsMax; attempt += 1) {
      const before = await this.secrets.findOne({ _id: rowId(owner, name), destroyed_at: { $exists: false } });
      if (before === null) throw notFound("Key");
      const after = await this.secrets.findOneAndUpdate({ _id: before._id, revision: before.revision }, { $set: change(before), $inc: { revision: 1 } }, { returnDocument: "after", ...majority });
      if (after !== null) return after;
      await sleep(attemptPauseMs);
    }
    throw conflict(`The key ${name} of ${owner} is being changed by another server`);
  }
}

/** No owner contains a slash, so no two secrets share a row. */
function rowId(owner: SecretOwner, name: string): string {
  return `${owner}/${name}`;
}
