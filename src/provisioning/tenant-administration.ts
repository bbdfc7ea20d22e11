/** What an operator may do to tenants. Knows their rows in the directory and their moves, never their content. */
import { badUserInput, conflict, notFound } from "../kernel/errors.js";
import { asTenantId, describe, newId, parseTenantId, type MoveId, type TenantId } from "../kernel/ids.js";
import type { LeasedCache } from "../kernel/leased-cache.js";
import type { Page, PageRequest } from "../kernel/page.js";
import { homeKey } from "../routing/home-key.js";
import type { ControlPlane, PlacementMoveRow } from "../storage/control/control-plane.js";
import { openFence } from "../storage/fence.js";
import type { TenantHome } from "../storage/home.js";
import type { SiloIsolation, SiloProvider } from "../storage/silo-provider.js";
import type { CachedTenantDirectory } from "../tenancy/tenant-directory.js";
import { isProbeTenant, probeTenants } from "../tenancy/probe-tenant.js";
import { readHome, type Home, type TenantRecord, type TenantState } from "../tenancy/tenant-record.js";
import type { HomeKind, Tier, TierPolicies } from "../tenancy/tier-policy.js";
import { changeRecord } from "./change-placement.js";
import { isEnd } from "./move-steps.js";

export interface AdministrationTools {
  readonly control: ControlPlane;
  readonly directory: CachedTenantDirectory;
  readonly homes: LeasedCache<TenantHome>;
  readonly silos: SiloProvider;
  readonly policies: TierPolicies;
  /** Told when a move was begun, or asked to end otherwise. */
  readonly onMoveBegun: () => void;
  /** Told of a tenant that is served again: its background work was left lying. */
  readonly onReactivated: (record: TenantRecord) => void;
}

export interface NewTenant {
  readonly id: unknown;
  readonly name: string;
  readonly tier: Tier;
  readonly placement?: HomeKind;
  /** Where its silo is to be; only for a tenant at home in one. */
  readonly cluster?: string;
  /** One of the isolation audit's own, whose ids nobody else can take. Never from outside. */
  readonly forAudit?: true;
}

const nameCharsMax = 200;
const firstEpoch = 1;

export class TenantAdministration {
  constructor(private readonly tools: AdministrationTools) {}

  /** Throws `BAD_USER_INPUT` for a hostile id or an unknown cluster, `CONFLICT` for an id that is taken. A tier at home in a silo starts its move at once. */
  async create(input: NewTenant): Promise<TenantRecord> {
    const id = parseTenantId(input.id);
    if (isProbeTenant(id) && input.forAudit !== true) throw badUserInput("id", describe(id), "an id that does not begin like those of the isolation audit's own tenants");
    const name = input.name.trim();
    if (name === "" || name.length > nameCharsMax) throw badUserInput("name", describe(input.name), `1 to ${nameCharsMax} characters`);
    if ((await this.tools.control.directory.find(id)) !== undefined) throw conflict(`A tenant with the id ${id} exists already`);
    // Before anything is made, so that a cluster that is not there leaves no tenant behind.
    const to = await this.#homeIn(input.placement ?? this.tools.policies[input.tier].placement, id, firstEpoch + 1, input.cluster);
    // Fence before directory: a crash between them leaves a fence that nobody looks for, not a tenant that cannot write.
    await this.#onPool((pool) => openFence(pool.database, id, firstEpoch));
    const record = await this.tools.control.directory.create({ id, name, tier: input.tier, ...(input.placement === undefined ? {} : { placementOverride: input.placement }) });
    this.tools.directory.forget(id);
    await this.#begin(record, record.tier, to);
    return record;
  }

  /**
   * Begins the move of a tenant whose server died between making it and sending it home: it would
   * stay in the pool, although it has bought a silo. Nothing to do at home, under way, or for a
   * tenant that is not served.
   */
  async sendHome(id: unknown): Promise<void> {
    const record = await this.#existing(id);
    if (record.state !== "ACTIVE") return;
    const latest = await this.latestMove(record.id);
    if (latest === undefined || isEnd(latest.phase)) await this.#moveHome(record, record.tier);
  }

  async find(id: unknown): Promise<TenantRecord | undefined> {
    const tenantId = asTenantId(id);
    return tenantId === undefined ? undefined : this.tools.control.directory.find(tenantId);
  }

  /** Without the isolation audit's own tenants, who are nobody's customers; `find` shows them. */
  page(request: PageRequest, filter: { tiers?: readonly Tier[]; states?: readonly TenantState[] }): Promise<Page<TenantRecord>> {
    return this.tools.control.directory.page(request, { ...filter, without: probeTenants.map(({ id }) => id) });
  }

  /**
   * The limits of the new tier hold at once; the move to the tier's home, where it differs, follows.
   * The same tier again starts a move that failed, was cancelled or was reverted. While a move is
   * observed, a tier at home where the tenant came from calls it back. Throws `CONFLICT` in every
   * other phase of a move.
   */
  async changeTier(id: unknown, tier: Tier, cluster?: string): Promise<{ tenant: TenantRecord; move?: PlacementMoveRow }> {
    const before = notErased(await this.#existing(id));
    const latest = await this.latestMove(before.id);
    const called = latest === undefined || isEnd(latest.phase) ? undefined : await this.#duringMove(before, latest, tier);
    const to = await this.#homeAfter(before, tier, cluster);
    const tenant = await changeRecord(this.tools, before.id, (record) => {
      notErased(record);
      const override = record.overrideEndsWithTier === true ? { override: null } : {};
      return record.tier === tier && override.override === undefined ? undefined : { tier, ...override };
    });
    const move = called ?? (latest !== undefined && !isEnd(latest.phase) ? undefined : await this.#begin(tenant, before.tier, to));
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

  /** The move under way, or else the last one. */
  latestMove(id: TenantId): Promise<PlacementMoveRow | undefined> {
    return this.tools.control.moves.latestOf(id);
  }

  /** What stands between the tenant's silo and everyone else; undefined in the pool. */
  async isolation(record: TenantRecord): Promise<SiloIsolation | undefined> {
    const home = readHome(record.placement);
    return home.kind === "POOL" || record.state === "ERASED" ? undefined : this.tools.silos.isolation(record.id, home);
  }

  /** Undefined: the tier changes and the move goes on. */
  async #duringMove(record: TenantRecord, move: PlacementMoveRow, tier: Tier): Promise<PlacementMoveRow | undefined> {
    // A tier changed under a move that is under way would leave the tenant in a home it has not bought.
    if (move.phase !== "OBSERVING" || move.reverting) throw conflict(`The placement move ${move.id} of ${record.id} is under way (${move.phase}): wait until it has ended, or cancel it before it switches`);
    if (this.#kindAfter(record, tier) === move.to.kind) return undefined;
    const called = await this.tools.control.moves.request(move.id, "REVERT");
    this.tools.onMoveBegun();
    return called;
  }

  async #setState(id: unknown, state: "ACTIVE" | "SUSPENDED"): Promise<TenantRecord> {
    const { id: tenantId } = await this.#existing(id);
    return changeRecord(this.tools, tenantId, (record) => (notErased(record).state === state ? undefined : { state }));
  }

  async #moveHome(record: TenantRecord, fromTier: Tier): Promise<PlacementMoveRow | undefined> {
    const kind = record.placementOverride ?? this.tools.policies[record.tier].placement;
    return this.#begin(record, fromTier, await this.#homeIn(kind, record.id, record.placement.epoch + 1));
  }

  async #begin(record: TenantRecord, fromTier: Tier, to: Home): Promise<PlacementMoveRow | undefined> {
    if (record.placement.kind === "MOVING") return undefined;
    const { home: from, epoch } = record.placement;
    if (from.kind === to.kind) return undefined;
    const move = await this.tools.control.moves.begin({ id: newId<MoveId>("move"), tenantId: record.id, from, to, targetEpoch: epoch + 1, fromTier, toTier: record.tier });
    this.tools.onMoveBegun();
    return move;
  }

  /** Where a tier change would have the tenant: an operator's word stands, unless it was spoken until the next tier. */
  #kindAfter(record: TenantRecord, tier: Tier): HomeKind {
    const standing = record.overrideEndsWithTier === true ? undefined : record.placementOverride;
    return standing ?? this.tools.policies[tier].placement;
  }

  async #homeAfter(record: TenantRecord, tier: Tier, cluster: string | undefined): Promise<Home> {
    const now = readHome(record.placement);
    // A tenant moves between pool and silo; from one cluster to another it takes both ways.
    if (cluster !== undefined && now.kind === "SILO" && now.cluster !== cluster) throw badUserInput("cluster", describe(cluster), `${now.cluster ?? "none"}, where the silo is: downgrade first to move it elsewhere`);
    return this.#homeIn(this.#kindAfter(record, tier), record.id, record.placement.epoch + 1, cluster);
  }

  async #homeIn(kind: HomeKind, id: TenantId, epoch: number, cluster?: string): Promise<Home> {
    if (kind === "SILO") return this.tools.silos.place(id, epoch, cluster);
    if (cluster !== undefined) throw badUserInput("cluster", describe(cluster), "none for a tenant at home in the pool");
    return { kind };
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

/** Erasure is not undone, and nothing else may be done on the way. */
function notErased(record: TenantRecord): TenantRecord {
  if (record.state === "ERASING" || record.state === "ERASED") throw conflict(`The tenant ${record.id} is ${record.state === "ERASED" ? "erased" : "being erased"}`);
  return record;
}
