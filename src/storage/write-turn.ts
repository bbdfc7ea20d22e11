import type { ClientSession } from "mongodb";
import type { TenantCheck } from "./belongs-to-tenant.js";
import type { CollectionName, StoredTombstone } from "./rows.js";
import { ScopedReader } from "./scoped-reader.js";
import { ScopedWriter, type WriteStamp } from "./scoped-writer.js";
import type { Scope } from "./scope.js";
import type { TenantDatabase } from "./transaction.js";

/**
 * One write's turn inside a fenced transaction: readers that see what was written before in the
 * transaction, and writers that stamp. It ends with the transaction and must not be kept.
 */
export class WriteTurn {
  #tombstones = 0;

  constructor(
    private readonly database: TenantDatabase,
    private readonly scope: Scope,
    private readonly check: TenantCheck,
    private readonly session: ClientSession,
    private readonly stamp: WriteStamp,
  ) {}

  read<Name extends CollectionName>(name: Name): ScopedReader<Name> {
    return new ScopedReader(this.database, name, this.scope, this.check, { readConcern: "local" }, this.session);
  }

  write<Name extends CollectionName>(name: Name): ScopedWriter<Name> {
    return new ScopedWriter(this.database, name, this.scope, this.check, this.session, this.stamp);
  }

  /** Leaves word of a removed set of rows for whoever follows this tenant. */
  async bury(removed: Pick<StoredTombstone, "collection" | "field" | "value">): Promise<void> {
    this.#tombstones += 1;
    const id = `${this.stamp.stripe}/${this.stamp.seq}/${this.#tombstones}`;
    await this.write("tombstones").insert([{ id, ...removed, at: new Date() }]);
  }
}
