/**
 * A database that holds tenants' content, opened. Makes the stores of a tenant, one lane of writes a
 * tenant beneath them. Before it comes `routing/`, which picks the home; after it the driver.
 */
import type { Db, MongoClient } from "mongodb";
import { systemClock, type Clock } from "../kernel/clock.js";
import { internal } from "../kernel/errors.js";
import type { TenantId, UserId } from "../kernel/ids.js";
import type { Telemetry } from "../kernel/telemetry.js";
import type { TenantContext } from "../tenancy/tenant-context.js";
import type { HomeKind, TierPolicy } from "../tenancy/tier-policy.js";
import { ScopedAdapterStore } from "./adapter-store.js";
import { TenantCheck } from "./belongs-to-tenant.js";
import { ScopedChunkStore } from "./chunk-store.js";
import { ScopedConversationStore } from "./conversation-store.js";
import { declareCollections, type OnProgress } from "./declare-collections.js";
import { ScopedDocumentStore } from "./document-store.js";
import { translating } from "./driver-errors.js";
import { ScopedFeedbackStore } from "./feedback-store.js";
import { ScopedIdempotencyStore } from "./idempotency-store.js";
import { sweepConversations } from "./remove-conversation.js";
import { poolScope } from "./pool-scope.js";
import { clearRows, type RowSealer } from "./row-sealer.js";
import type { ReadTuning } from "./scoped-reader.js";
import type { Scope } from "./scope.js";
import { siloScope } from "./silo-scope.js";
import { StoreParts } from "./store-parts.js";
import type { EmbeddingModelRef, TenantStore } from "./tenant-store.js";
import type { TenantDatabase } from "./transaction.js";
import { WriteLane } from "./write-lane.js";
import type { WriteTurn } from "./write-turn.js";

export interface HomeOptions {
  readonly client: MongoClient;
  readonly database: string;
  /** Whose the database is: everyone's, or one tenant's. */
  readonly kind: { readonly kind: "POOL" } | { readonly kind: "SILO"; readonly owner: TenantId };
  readonly embedding: EmbeddingModelRef;
  /**
   * Names this server's stripes of the fences. Two servers with one name are slow, not wrong; a new
   * name at every start leaves a row a tenant behind, so it should outlive the process.
   */
  readonly serverId: string;
  /** The embedded engine is one node: what it has acknowledged is not rolled back. */
  readonly local: boolean;
  readonly telemetry: Telemetry;
  /** How rows lie here; in the clear when left out. */
  readonly sealer?: RowSealer;
  /** The database under a credential that may create and change collections; the home's own when left out. */
  readonly declareWith?: Db;
  readonly clock?: Clock;
  readonly onProgress?: OnProgress;
}

/** Opens a home and declares its collections, which is cheap when nothing has changed. Throws `SERVICE_UNAVAILABLE`. */
export async function openHome(options: HomeOptions): Promise<TenantHome> {
  const db = options.client.db(options.database);
  const form = (options.sealer ?? clearRows) === clearRows ? "CLEAR" : "SEALED";
  await declareCollections(options.declareWith ?? db, "TENANT", options.kind.kind, options.embedding, options.onProgress, form);
  return new TenantHome(options, db);
}

/** Deletes a silo with all it holds. Refuses a pool. */
export async function dropHome(home: TenantHome): Promise<void> {
  if (home.kind !== "SILO") throw internal("A pool cannot be dropped");
  await home.close();
  await translating(() => home.database.db.dropDatabase());
}

export class TenantHome {
  readonly database: TenantDatabase;
  readonly #lanes = new Map<string, WriteLane>();
  readonly #tuning: ReadTuning;

  constructor(private readonly options: HomeOptions, db: Db) {
    this.database = { client: options.client, db, sealer: this.sealer };
    this.#tuning = { readConcern: options.local ? "local" : "majority" };
  }

  get kind(): HomeKind {
    return this.options.kind.kind;
  }

  /** How rows lie here: whoever reads or writes them past the stores must pass them through it. */
  get sealer(): RowSealer {
    return this.options.sealer ?? clearRows;
  }

  /** The tenant's store here; its writes succeed only while the fence is open in `epoch`. Throws `INTERNAL` in another tenant's silo. */
  store(context: TenantContext, epoch: number): TenantStore {
    return this.storeIn(this.#scopeOf(context), context, epoch);
  }

  /** Runs a write in the tenant's lane, as the stores do: fenced, stamped, durable when this resolves. Throws `FenceRefused`. */
  write<Value>(context: TenantContext, epoch: number, rows: number, work: (turn: WriteTurn) => Promise<Value>): Promise<Value> {
    return this.#lane(this.#scopeOf(context), new TenantCheck(context.tenantId, this.options.telemetry), epoch).submit(rows, work);
  }

  /** Resolves when every write that was submitted has ended. The client stays open: it is its opener's. */
  async close(): Promise<void> {
    await Promise.all([...this.#lanes.values()].map((lane) => lane.idle()));
  }

  /** Apart from `store` so that a test can take the first wall down and meet the second. */
  protected storeIn(scope: Scope, context: TenantContext, epoch: number): TenantStore {
    const { tenantId } = context;
    const check = new TenantCheck(tenantId, this.options.telemetry);
    const parts = new StoreParts(
      this.database,
      scope,
      check,
      this.#tuning,
      (rows, work) => this.#lane(scope, check, epoch).submit(rows, work),
      this.options.embedding,
      this.options.clock ?? systemClock,
      conversationMsOf(context.policy),
    );
    return Object.freeze<TenantStore>({
      tenantId,
      home: scope.home,
      documents: new ScopedDocumentStore(parts),
      chunks: new ScopedChunkStore(parts),
      sweepConversations: (limit: number) => sweepConversations(parts, limit),
      conversationsOf: (userId: UserId) => new ScopedConversationStore(parts, userId),
      idempotencyOf: (userId: UserId) => new ScopedIdempotencyStore(parts, userId),
      adapters: new ScopedAdapterStore(parts),
      feedbackOf: (userId: UserId) => new ScopedFeedbackStore(parts, userId),
    });
  }

  #scopeOf(context: TenantContext): Scope {
    const { kind } = this.options;
    return kind.kind === "POOL" ? poolScope(context) : siloScope(context, kind.owner, this.options.telemetry);
  }

  /** One lane a tenant and epoch: a lane of a past epoch ends by itself when its writes were refused. */
  #lane(scope: Scope, check: TenantCheck, epoch: number): WriteLane {
    const key = `${epoch} ${scope.tenantId}`;
    const known = this.#lanes.get(key);
    if (known !== undefined) return known;
    const lane = new WriteLane(this.database, scope, check, this.options.serverId, epoch, () => this.#lanes.delete(key));
    this.#lanes.set(key, lane);
    return lane;
  }
}

function conversationMsOf({ conversationDays }: TierPolicy): number | undefined {
  return conversationDays === undefined ? undefined : conversationDays * 86_400_000;
}
