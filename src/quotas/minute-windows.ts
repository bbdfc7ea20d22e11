import { createHash } from "node:crypto";
import type { TenantId } from "../kernel/ids.js";
import type { TenantContext } from "../tenancy/tenant-context.js";
import type { SlidingWindow, WindowRefusal, WindowTake } from "./sliding-window.js";

export type Counted = "requests" | "tokens";

/** Of the tenant's window, and of the user's where users have a share. */
export type MinuteTake = WindowTake & { readonly user?: WindowTake };

export type MinuteRefusal = WindowRefusal & { readonly ofUser?: true };

/** Of the two windows the one that has less left. */
export function tighterOf(taken: MinuteTake): WindowTake {
  const { user } = taken;
  return user !== undefined && user.limit - user.used < taken.limit - taken.used ? user : taken;
}

/** The part of a limit that one user may have; undefined where one user may have all. */
export function userLimitOf({ policy, userId }: TenantContext, limit: number): number | undefined {
  const { userShare } = policy;
  // Jobs run as nobody: a name that no token may bear begins with a NUL. They are the tenant's own work.
  if (userShare === undefined || userShare === 1 || userId.startsWith("\u0000")) return undefined;
  return Math.max(1, Math.ceil(limit * userShare));
}

/** Tenants whose counters' names are remembered; past it all are made again. */
const rememberedMax = 20_000;

/** The windows of a tenant and of the user inside it, taken both or neither. */
export class MinuteWindows {
  readonly #names = new Map<TenantId, Readonly<Record<Counted, string>>>();

  constructor(
    private readonly window: SlidingWindow,
    /** Whether counters lie where others keep theirs: a user's name does not go there. */
    private readonly shared: boolean,
  ) {}

  /** Throws `CounterStoreFailed`. `points` is at most `limit`, and at most the user's. */
  take(context: TenantContext, counted: Counted, points: number, limit: number): Promise<MinuteTake | MinuteRefusal> {
    const name = this.#namesOf(context.tenantId)[counted];
    const userLimit = userLimitOf(context, limit);
    return userLimit === undefined ? this.window.take(name, points, limit) : this.#takeBoth(name, this.#userCounter(counted, context), points, limit, userLimit);
  }

  /** Throws `CounterStoreFailed`. */
  async giveBack({ name, index, user }: MinuteTake, points: number): Promise<void> {
    const tenants = this.window.giveBack(name, points, index);
    await (user === undefined ? tenants : Promise.all([tenants, this.window.giveBack(user.name, points, user.index)]));
  }

  /** Charges what was used beyond what was taken. Throws `CounterStoreFailed`. */
  async charge({ name, user }: MinuteTake, points: number): Promise<void> {
    const tenants = this.window.charge(name, points);
    await (user === undefined ? tenants : Promise.all([tenants, this.window.charge(user.name, points)]));
  }

  async #takeBoth(name: string, userName: string, points: number, limit: number, userLimit: number): Promise<MinuteTake | MinuteRefusal> {
    // The user first: one who floods is refused before the tenant's counter hears of it, and takes nothing from the others for a moment.
    const user = await this.window.take(userName, points, userLimit);
    if (user.kind === "REFUSED") return { ...user, ofUser: true };
    try {
      const tenant = await this.window.take(name, points, limit);
      if (tenant.kind === "TAKEN") return { ...tenant, user };
      await this.window.giveBack(userName, points, user.index);
      return tenant;
    } catch (error) {
      // If this cannot be given back either, the user has less for a minute: too few, never too many.
      await this.window.giveBack(userName, points, user.index).catch(() => undefined);
      throw error;
    }
  }

  #namesOf(tenantId: TenantId): Readonly<Record<Counted, string>> {
    const known = this.#names.get(tenantId);
    if (known !== undefined) return known;
    if (this.#names.size >= rememberedMax) this.#names.clear();
    const names = { requests: tenantCounter("requests", tenantId), tokens: tenantCounter("tokens", tenantId) };
    this.#names.set(tenantId, names);
    return names;
  }

  #userCounter(counted: Counted, { tenantId, userId }: TenantContext): string {
    // JSON keeps the two apart: no tenant and user can be re-cut into another pair.
    const pair = JSON.stringify([tenantId, userId]);
    return `user-${counted}:${this.shared ? createHash("sha256").update(pair).digest("base64url") : pair}`;
  }
}

export function tenantCounter(counted: Counted, tenantId: TenantId): string {
  return `${counted}:${tenantId}`;
}
