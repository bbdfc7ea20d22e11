/** What an operator may do to tenants. Knows their rows in the directory and their moves, never their content. */
import { setTimeout as sleep } from "node:timers/promises";
import { badUserInput, conflict, notFound } from "../kernel/errors.js";
import { describe, isWellFormedId, newId, parseTenantId, type MoveId, type TenantId } from "../kernel/ids.js";
import type { LeasedCache } from "../kernel/leased-cache.js";
import type { Page, PageRequest } from "../kernel/page.js";
import { homeKey } from "../routing/home-key.js";
import type { ControlPlane, PlacementMoveRow } from "../storage/control/control-plane.js";
import { openFence } from "../storage/fence.js";
import type { TenantHome } from "../storage/home.js";
import type { CachedTenantDirectory } from "../tenancy/tenant-directory.js";
import type { Home, TenantRecord } from "../tenancy/tenant-record.js";
import type { HomeKind, Tier, TierPolicies } from "../tenancy/tier-policy.js";
import { changeRecord } from "./change-placement.js";

export interface AdministrationTools {
  readonly control: ControlPlane;
  readonly directory: CachedTenantDirectory;
  readonly homes: LeasedCache<TenantHome>;
  readonly policies: TierPolicies;
  /** Prefix of the names of silo databases. */
  readonly databasePrefix: string;
  /** Told when a move was begun. */
  readonly onMoveBegun: () => void;
  /** Told of a tenant that is served again: its background work was left lying. */
  readonly onReactivated: (record: TenantRecord) => void;
}

const nameCharsMax = 200;
/** How often a watcher of a move looks: several times within what a person notices. */
const watchPollMs = 100;
const firstEpoch = 1;

export class TenantAdministration {
  constructor(private readonly tools: AdministrationTools) {}

  /** Throws `BAD_USER_INPUT` for a hostile id, `CONFLICT` for one that is taken. A tier at home in a silo starts its move at once. */
  async create(input: { id: unknown; name: string; tier: Tier; placement?: HomeKind }): Promise<TenantRecord> {
    const id = parseTenantId(input.id);
    const name = input.name.trim();
    if (name === "" || name.length > nameCharsMax) throw badUserInput("name", describe(input.name), `1 to ${nameCharsMax} characters`);
    if ((await this.tools.control.directory.find(id)) !== undefined) throw conflict(`A tenant with the id ${id} exists already`);
    // Fence before directory: a crash between them leaves a fence that nobody looks for, not a tenant that cannot write.
    await this.#onPool((pool) => openFence(pool.database, id, firstEpoch));
    const record = await this.tools.control.directory.create({ id, name, tier: input.tier, ...(input.placement === undefined ? {} : { placementOverride: input.placement }) });
    this.tools.directory.forget(id);
    await this.#moveHome(record, record.tier);
    return record;
  }

  /**
   * Begins the move of a tenant whose server died between making it and sending it home: it would
   * stay in the pool, although it has bought a silo. Nothing to do at home or under way.
   */
  async sendHome(id: unknown): Promise<void> {
    const record = await this.#existing(id);
    const latest = await this.latestMove(record.id);
    if (latest === undefined || isEnded(latest)) await this.#moveHome(record, record.tier);
  }

  async find(id: unknown): Promise<TenantRecord | undefined> {
    const tenantId = wellFormed(id);
    return tenantId === undefined ? undefined : this.tools.control.directory.find(tenantId);
  }

  page(request: PageRequest, filter: { tiers?: readonly Tier[]; states?: readonly string[] }): Promise<Page<TenantRecord>> {
    return this.tools.control.directory.page(request, filter);
  }

  /**
   * The limits of the new tier hold at once; the move to the tier's home, where it differs, follows.
   * The same tier again starts a move that failed before. Throws `CONFLICT` while a move is under way.
   */
  async changeTier(id: unknown, tier: Tier): Promise<{ tenant: TenantRecord; move?: PlacementMoveRow }> {
    const before = await this.#existing(id);
    const latest = await this.latestMove(before.id);
    // A tier changed under a move that is under way would leave the tenant in a home it has not bought; `switchOver` checks again.
    if (latest !== undefined && !isEnded(latest)) throw conflict(`A placement move of ${before.id} is under way already`);
    const tenant = await changeRecord(this.tools, before.id, (record) => (record.tier === tier ? undefined : { tier }));
    const move = await this.#moveHome(tenant, before.tier);
    return { tenant: (await this.tools.control.directory.find(before.id)) ?? tenant, ...(move === undefined ? {} : { move }) };
  }

  /** Effective on every server within `directoryAgeMsMax`. */
  async suspend(id: unknown): Promise<TenantRecord> {
    return this.#setState(id, "SUSPENDED");
  }

  async reactivate(id: unknown): Promise<TenantRecord> {
    const record = await this.#setState(id, "ACTIVE");
    this.tools.onReactivated(record);
    return record;
  }

  async findMove(id: string): Promise<PlacementMoveRow | undefined> {
    return isWellFormedId("move", id) ? this.tools.control.moves.find(id as MoveId) : undefined;
  }

  latestMove(id: TenantId): Promise<PlacementMoveRow | undefined> {
    return this.tools.control.moves.latestOf(id);
  }

  /** Yields the move whenever it has changed, last when it has ended. */
  async *watchMove(id: string, signal: AbortSignal): AsyncGenerator<PlacementMoveRow> {
    let last = "";
    while (!signal.aborted) {
      const move = await this.findMove(id);
      if (move === undefined) throw notFound("Placement move");
      const seen = `${move.phase} ${move.copied} ${move.total}`;
      if (seen !== last) yield move;
      last = seen;
      if (move.phase === "DONE" || move.phase === "FAILED") return;
      await sleep(watchPollMs);
    }
  }

  async #setState(id: unknown, state: TenantRecord["state"]): Promise<TenantRecord> {
    const { id: tenantId } = await this.#existing(id);
    return changeRecord(this.tools, tenantId, (record) => (record.state === state ? undefined : { state }));
  }

  async #moveHome(record: TenantRecord, fromTier: Tier): Promise<PlacementMoveRow | undefined> {
    if (record.placement.kind === "MOVING") return undefined;
    const from = record.placement.home;
    const targetEpoch = record.placement.epoch + 1;
    const to = this.#homeFor(record, targetEpoch);
    if (from.kind === to.kind) return undefined;
    const move = await this.tools.control.moves.begin({ id: newId<MoveId>("move"), tenantId: record.id, from, to, targetEpoch, fromTier, toTier: record.tier });
    this.tools.onMoveBegun();
    return move;
  }

  #homeFor(record: TenantRecord, epoch: number): Home {
    const kind = record.placementOverride ?? this.tools.policies[record.tier].placement;
    // Prefix, tenant and epoch contain no underscore: no two silos, past or present, share a name.
    return kind === "POOL" ? { kind } : { kind, database: `${this.tools.databasePrefix}_${record.id}_${epoch}` };
  }

  async #existing(id: unknown): Promise<TenantRecord> {
    const record = await this.find(id);
    if (record === undefined) throw notFound("Tenant");
    return record;
  }

  async #onPool(work: (pool: TenantHome) => Promise<void>): Promise<void> {
    const lease = await this.tools.homes.lease(homeKey({ kind: "POOL" }));
    try {
      await work(lease.value);
    } finally {
      lease.release();
    }
  }
}

function isEnded({ phase }: PlacementMoveRow): boolean {
  return phase === "DONE" || phase === "FAILED";
}

/** An id that cannot be a tenant's is answered like one that is not. */
function wellFormed(id: unknown): TenantId | undefined {
  try {
    return parseTenantId(id);
  } catch {
    return undefined;
  }
}
