import { createHash } from "node:crypto";
import type { TenantId } from "../kernel/ids.js";
import type { TenantContext } from "../tenancy/tenant-context.js";
import type { SlidingWindow } from "./sliding-window.js";

export type Counted = "requests" | "tokens";

/** A counter, and the sub-window that was charged: what is given back goes there and nowhere else. */
export interface WindowPart {
  readonly name: string;
  readonly index: number;
}

export interface MinuteTake {
  readonly kind: "TAKEN";
  /** The tenant's counter, and the user's where users have a share. */
  readonly parts: readonly WindowPart[];
  /** Of the two windows the one that has less left. */
  readonly limit: number;
  readonly remaining: number;
  readonly resetsAt: Date;
}

export interface MinuteRefusal {
  readonly kind: "REFUSED";
  readonly of: "TENANT" | "USER";
  readonly limit: number;
  readonly retryAfterMs: number;
}

/** The part of a limit that one user may have; undefined where one user may have all. */
export function userLimitOf({ policy, userId }: TenantContext, limit: number): number | undefined {
  const { userShare } = policy;
  // Jobs run as nobody: a name that no token may bear begins with a NUL. They are the tenant's own work.
  if (userShare === undefined || userShare === 1 || userId.startsWith("\u0000")) return undefined;
  return Math.max(1, Math.ceil(limit * userShare));
}

/** The windows of a tenant and of the user inside it, taken both or neither. */
export class MinuteWindows {
  constructor(
    private readonly window: SlidingWindow,
    /** Whether counters lie where others keep theirs: a user's name does not go there. */
    private readonly shared: boolean,
  ) {}

  /** Throws `CounterStoreFailed`. `points` is at most `limit`, and at most the user's. */
  async take(context: TenantContext, counted: Counted, points: number, limit: number): Promise<MinuteTake | MinuteRefusal> {
    const name = tenantCounter(counted, context.tenantId);
    const userLimit = userLimitOf(context, limit);
    if (userLimit === undefined) return this.#takeOne(name, points, limit);
    // The user first: one who floods is refused before the tenant's counter hears of it, and takes nothing from the others for a moment.
    const userName = this.#userCounter(counted, context);
    const user = await this.window.take(userName, points, userLimit);
    if (user.kind === "REFUSED") return { kind: "REFUSED", of: "USER", limit: userLimit, retryAfterMs: user.retryAfterMs };
    try {
      const tenant = await this.#takeOne(name, points, limit);
      if (tenant.kind === "TAKEN") {
        const parts = [...tenant.parts, { name: userName, index: user.index }];
        const remaining = userLimit - user.used;
        return remaining < tenant.remaining ? { kind: "TAKEN", parts, limit: userLimit, remaining, resetsAt: user.resetsAt } : { ...tenant, parts };
      }
      await this.window.giveBack(userName, points, user.index);
      return tenant;
    } catch (error) {
      // If this cannot be given back either, the user has less for a minute: too few, never too many.
      await this.window.giveBack(userName, points, user.index).catch(() => undefined);
      throw error;
    }
  }

  async #takeOne(name: string, points: number, limit: number): Promise<MinuteTake | MinuteRefusal> {
    const taken = await this.window.take(name, points, limit);
    if (taken.kind === "REFUSED") return { kind: "REFUSED", of: "TENANT", limit, retryAfterMs: taken.retryAfterMs };
    return { kind: "TAKEN", parts: [{ name, index: taken.index }], limit, remaining: limit - taken.used, resetsAt: taken.resetsAt };
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
