import type { Clock } from "../kernel/clock.js";
import type { TenantCheck } from "./belongs-to-tenant.js";
import { clearRows, type RowSealer } from "./row-sealer.js";
import type { CollectionName } from "./rows.js";
import { ScopedReader, type ReadTuning } from "./scoped-reader.js";
import type { Scope } from "./scope.js";
import type { EmbeddingModelRef } from "./tenant-store.js";
import type { TenantDatabase } from "./transaction.js";
import type { WriteTurn } from "./write-turn.js";

/** What every store of one tenant is made of. Readers take no fence: a tenant that moves is still read. */
export class StoreParts {
  constructor(
    private readonly database: TenantDatabase,
    readonly scope: Scope,
    private readonly check: TenantCheck,
    private readonly tuning: ReadTuning,
    /** Runs a write in the tenant's lane; see `WriteLane.submit`. */
    readonly write: <Value>(rows: number, work: (turn: WriteTurn) => Promise<Value>) => Promise<Value>,
    readonly embedding: EmbeddingModelRef,
    readonly clock: Clock,
    /** How long a conversation lives after its latest turn; undefined: until it is cleared. */
    readonly conversationMs?: number,
  ) {}

  get sealer(): RowSealer {
    return this.database.sealer ?? clearRows;
  }

  read<Name extends CollectionName>(name: Name): ScopedReader<Name> {
    return new ScopedReader(this.database, name, this.scope, this.check, this.tuning);
  }
}
