/** Calls of one tenant and class at one server. */
export interface Claim {
  readonly tenant: string;
  readonly weight: number;
  /** Of the class; 0 is served whole before 1 gets anything. */
  readonly rank: number;
  /** The most that it can use. */
  readonly need: number;
}

export interface Claimant {
  readonly id: string;
  readonly claims: readonly Claim[];
}

interface Tenant {
  weight: number;
  need: number;
  readonly at: Map<string, number>;
}

const goldenRatio = (Math.sqrt(5) - 1) / 2;
/** Sums of fractions miss a whole number by less than this. */
const rounding = 1e-6;

/**
 * Divides `total` among servers: to each tenant by weight up to its need (what one leaves goes to the
 * others), a tenant's part to the servers where its calls are, and what nobody needs to all alike.
 * Every server that sees the same claims gets the same result.
 *
 * Parts are whole. With each `turn` another server is rounded up, in the long run each as often as
 * its fraction says: with fewer slots than servers nobody is shut out.
 */
export function shareOut(total: number, servers: readonly Claimant[], turn: number): ReadonlyMap<string, number> {
  const parts = new Map(servers.map(({ id }) => [id, 0]));
  let left = total;
  const ranks = new Set(servers.flatMap(({ claims }) => claims.map(({ rank }) => rank)));
  for (const rank of [...ranks].toSorted((a, b) => a - b)) left -= fill(left, tenantsOf(servers, rank), parts);
  for (const [id, part] of parts) parts.set(id, part + left / servers.length);
  return wholeParts(parts, (turn * goldenRatio) % 1);
}

function tenantsOf(servers: readonly Claimant[], rank: number): readonly Tenant[] {
  const tenants = new Map<string, Tenant>();
  for (const { id, claims } of servers) {
    for (const claim of claims) {
      if (claim.rank !== rank || claim.need <= 0) continue;
      const tenant = tenants.get(claim.tenant) ?? { weight: 0, need: 0, at: new Map<string, number>() };
      tenants.set(claim.tenant, tenant);
      // A tier that has just changed is known to one server before the other.
      tenant.weight = Math.max(tenant.weight, claim.weight);
      tenant.need += claim.need;
      tenant.at.set(id, (tenant.at.get(id) ?? 0) + claim.need);
    }
  }
  return [...tenants.values()];
}

/** Those that need least for their weight come first: what they leave is known when the next is served. Gives what was taken. */
function fill(total: number, tenants: readonly Tenant[], parts: Map<string, number>): number {
  let left = total;
  let weights = tenants.reduce((sum, { weight }) => sum + weight, 0);
  for (const { weight, need, at } of tenants.toSorted((a, b) => a.need / a.weight - b.need / b.weight)) {
    const part = Math.min(need, (left * weight) / weights);
    left -= part;
    weights -= weight;
    for (const [id, needed] of at) parts.set(id, (parts.get(id) ?? 0) + (part * needed) / need);
  }
  return total - left;
}

/** Lays the parts end to end on a ruler and counts the marks in each; `offset`, from 0 to 1, moves the marks. */
function wholeParts(parts: ReadonlyMap<string, number>, offset: number): ReadonlyMap<string, number> {
  let end = 0;
  const whole = new Map<string, number>();
  for (const id of [...parts.keys()].toSorted()) {
    const begin = Math.floor(end + offset + rounding);
    end += parts.get(id) ?? 0;
    whole.set(id, Math.floor(end + offset + rounding) - begin);
  }
  return whole;
}
