import { createHash } from "node:crypto";
import type { ShareClaim } from "../storage/control/pool-share-rows.js";
import type { Demand } from "./pool-share.js";

/** A tenant between two questions keeps its place: giving it up would cost the next one the time to take it back. */
const lingerMs = 1_000;
/** Tenants that are named; the others of a class are claimed for as one. Bounds the row: 4 KB a server. */
const namedMax = 32;

interface Recent extends Demand {
  readonly at: number;
}

/** What this server's tenants claim of a pool: what runs and waits now, and what ran a moment ago. */
export class ShareClaims {
  readonly #recent = new Map<string, Recent>();

  constructor(private readonly server: string, private readonly now: () => number) {}

  /** A call has begun. It may end before anybody looks. */
  started(tenantId: string, weight: number, rank: number): void {
    const key = `${rank} ${tenantId}`;
    const known = this.#recent.get(key);
    this.#recent.set(key, { tenantId, weight, rank, running: Math.max(1, known?.running ?? 0), waiting: 0, at: this.now() });
  }

  read(demand: Iterable<Demand>): readonly ShareClaim[] {
    const now = this.now();
    for (const [key, { at }] of this.#recent) if (now - at >= lingerMs) this.#recent.delete(key);
    const lingering = new Map(this.#recent);
    const claims: Demand[] = [];
    for (const one of demand) {
      const key = `${one.rank} ${one.tenantId}`;
      const before = lingering.get(key);
      lingering.delete(key);
      if (one.running > 0) this.#recent.set(key, { ...one, waiting: 0, at: now });
      claims.push({ ...one, running: Math.max(one.running, (before?.running ?? 0) - one.waiting) });
    }
    claims.push(...lingering.values());
    return this.#bounded(claims);
  }

  #bounded(claims: Demand[]): readonly ShareClaim[] {
    const sorted = claims.toSorted((a, b) => a.rank - b.rank || b.running + b.waiting - a.running - a.waiting);
    const rest = new Map<number, ShareClaim>();
    for (const { weight, rank, running, waiting } of sorted.slice(namedMax)) {
      const sum = rest.get(rank) ?? { tenant: `rest of ${this.server}`, rank, weight: 0, running: 0, waiting: 0 };
      rest.set(rank, { ...sum, weight: sum.weight + weight, running: sum.running + running, waiting: sum.waiting + waiting });
    }
    return [...sorted.slice(0, namedMax).map(({ tenantId, ...claim }) => ({ tenant: nameOf(tenantId), ...claim })), ...rest.values()].map(({ tenant, weight, rank, running, waiting }) => ({ tenant, weight, rank, running, waiting }));
  }
}

/** A tenant's id does not stay behind in a row that no erasure looks into. */
function nameOf(tenantId: string): string {
  return createHash("sha256").update(tenantId).digest("base64url").slice(0, 16);
}
