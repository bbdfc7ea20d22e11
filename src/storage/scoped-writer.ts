import type { ClientSession, Document } from "mongodb";
import type { TenantCheck } from "./belongs-to-tenant.js";
import { clearRows, type RowSealer } from "./row-sealer.js";
import type { CollectionName, Collections, SealedFieldNames, StoredRow } from "./rows.js";
import type { Narrowing, Scope } from "./scope.js";
import { versionField } from "./sealing/sealed-fields.js";
import { sealerReady, withKeys } from "./sealing/with-keys.js";
import type { TenantDatabase } from "./transaction.js";

/** Which write this is: goes onto every row it touches. */
export interface WriteStamp {
  readonly stripe: string;
  readonly seq: number;
}

/** Rows of one insert command. Between two commands the server, and the engine in this process, serve others. */
const insertRowsMax = 100;

type NewRow<Name extends CollectionName> = Omit<Collections[Name], keyof StoredRow> & { readonly id: string };
/** What an update may set. Sealed fields are not among it: they are one blob with others that the update does not know. */
type Settable<Name extends CollectionName> = Partial<Omit<Collections[Name], keyof StoredRow | SealedFieldNames[Name]>>;

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
    private readonly database: TenantDatabase,
    private readonly name: Name,
    private readonly scope: Scope,
    private readonly check: TenantCheck,
    private readonly session: ClientSession,
    private readonly stamp: WriteStamp,
  ) {}

  async insert(rows: readonly NewRow<Name>[]): Promise<void> {
    if (rows.length === 0) return;
    for (let start = 0; start < rows.length; start += insertRowsMax) {
      // Inside the transaction, behind its fence: a rotation that outwaits transactions outwaits every row that was sealed before.
      await sealerReady(this.#sealer);
      const stored = rows.slice(start, start + insertRowsMax).map((row) => this.#stored(row));
      await this.#collection().insertMany(stored, { session: this.session, ordered: true });
    }
  }

  /** Seals a row anew by the newest key. False when it was removed, or has such a key already. */
  async reseal(row: Collections[Name], version: number): Promise<boolean> {
    await sealerReady(this.#sealer);
    const { _id, tenant_id: _tenant, stripe: _stripe, seq: _seq, ...sealed } = this.#sealer.seal(this.name, row);
    const { matchedCount } = await this.#collection().updateOne(
      this.scope.filter({ _id, [versionField]: { $lt: version } }),
      { $set: { ...sealed, stripe: this.stamp.stripe, seq: this.stamp.seq } },
      { session: this.session },
    );
    return matchedCount === 1;
  }

  /** The row as it is after the change; undefined when none matched. */
  async update(narrowing: Narrowing, change: Change<Name>): Promise<Collections[Name] | undefined> {
    const updated = await this.#collection().findOneAndUpdate(this.scope.filter(narrowing), this.#operators(change), {
      session: this.session,
      returnDocument: "after",
    });
    return this.#opened(updated);
  }

  /** The row that was removed; undefined when there was none. */
  async removeOne(narrowing: Narrowing): Promise<Collections[Name] | undefined> {
    const removed = await this.#collection().findOneAndDelete(this.scope.filter(narrowing), { session: this.session });
    return this.#opened(removed);
  }

  async removeMany(narrowing: Narrowing): Promise<number> {
    const { deletedCount } = await this.#collection().deleteMany(this.scope.filter(narrowing), { session: this.session });
    return deletedCount;
  }

  get #sealer(): RowSealer {
    return this.database.sealer ?? clearRows;
  }

  #collection() {
    return this.database.db.collection<Document & { _id: string }>(this.name);
  }

  #stored(row: NewRow<Name>): Document & { _id: string } {
    const { id, ...fields } = row;
    const stored = { _id: this.scope.key(id), ...fields, tenant_id: this.scope.tenantId, stripe: this.stamp.stripe, seq: this.stamp.seq };
    return this.#sealer.seal(this.name, stored) as Document & { _id: string };
  }

  async #opened(row: Document | null): Promise<Collections[Name] | undefined> {
    if (row === null) return undefined;
    const checked = this.check.row(row as unknown as Collections[Name], this.name);
    return withKeys(this.#sealer, async () => this.#sealer.open(this.name, checked) as Collections[Name]);
  }

  #operators(change: Change<Name>): Document {
    return {
      $set: { ...change.set, stripe: this.stamp.stripe, seq: this.stamp.seq },
      ...(change.increment === undefined ? {} : { $inc: change.increment }),
      ...(change.unset === undefined || change.unset.length === 0 ? {} : { $unset: Object.fromEntries(change.unset.map((field) => [field, ""])) }),
    };
  }
}
