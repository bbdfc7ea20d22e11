import type { ClientSession, Db, Document } from "mongodb";
import type { TenantCheck } from "./belongs-to-tenant.js";
import type { CollectionName, Collections, StoredRow } from "./rows.js";
import type { Narrowing, Scope } from "./scope.js";

/** Which write this is: goes onto every row it touches. */
export interface WriteStamp {
  readonly stripe: string;
  readonly seq: number;
}

/** Rows of one insert command. Between two commands the server, and the engine in this process, serve others. */
const insertRowsMax = 100;

type NewRow<Name extends CollectionName> = Omit<Collections[Name], keyof StoredRow> & { readonly id: string };
type Settable<Name extends CollectionName> = Partial<Omit<Collections[Name], keyof StoredRow>>;

export interface Change<Name extends CollectionName> {
  readonly set?: Settable<Name>;
  readonly increment?: Readonly<Partial<Record<Extract<keyof Collections[Name], string>, number>>>;
  readonly unset?: readonly Extract<keyof Collections[Name], string>[];
}

/**
 * The only way to write a tenant's collection: inside a transaction that has taken the fence. Adds
 * the scope to every filter, the tenant and the stamp to every row. Fields of the stamp cannot be
 * set by what is passed in: they are put there last.
 */
export class ScopedWriter<Name extends CollectionName> {
  constructor(
    private readonly db: Db,
    private readonly name: Name,
    private readonly scope: Scope,
    private readonly check: TenantCheck,
    private readonly session: ClientSession,
    private readonly stamp: WriteStamp,
  ) {}

  async insert(rows: readonly NewRow<Name>[]): Promise<void> {
    if (rows.length === 0) return;
    const stored = rows.map((row): Document => {
      const { id, ...fields } = row;
      return { _id: this.scope.key(id), ...fields, tenant_id: this.scope.tenantId, stripe: this.stamp.stripe, seq: this.stamp.seq };
    });
    for (let start = 0; start < stored.length; start += insertRowsMax) {
      await this.db.collection(this.name).insertMany(stored.slice(start, start + insertRowsMax), { session: this.session, ordered: true });
    }
  }

  /** The row as it is after the change; undefined when none matched. */
  async update(narrowing: Narrowing, change: Change<Name>): Promise<Collections[Name] | undefined> {
    const updated = await this.db.collection(this.name).findOneAndUpdate(this.scope.filter(narrowing), this.#operators(change), {
      session: this.session,
      returnDocument: "after",
    });
    return updated === null ? undefined : this.check.row(updated as unknown as Collections[Name], this.name);
  }

  /** The row that was removed; undefined when there was none. */
  async removeOne(narrowing: Narrowing): Promise<Collections[Name] | undefined> {
    const removed = await this.db.collection(this.name).findOneAndDelete(this.scope.filter(narrowing), { session: this.session });
    return removed === null ? undefined : this.check.row(removed as unknown as Collections[Name], this.name);
  }

  async removeMany(narrowing: Narrowing): Promise<number> {
    const { deletedCount } = await this.db.collection(this.name).deleteMany(this.scope.filter(narrowing), { session: this.session });
    return deletedCount;
  }

  #operators(change: Change<Name>): Document {
    return {
      $set: { ...change.set, stripe: this.stamp.stripe, seq: this.stamp.seq },
      ...(change.increment === undefined ? {} : { $inc: change.increment }),
      ...(change.unset === undefined || change.unset.length === 0 ? {} : { $unset: Object.fromEntries(change.unset.map((field) => [field, ""])) }),
    };
  }
}
