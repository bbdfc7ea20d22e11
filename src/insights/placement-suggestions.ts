/** Which tenants would be better at home elsewhere. Pure. */
import type { HomeKind } from "../tenancy/tier-policy.js";
import type { TenantRecord } from "../tenancy/tenant-record.js";

/** What a tenant did in the range of a heatmap. */
export interface TenantActivity {
  readonly tenant: TenantRecord;
  /** Where its tier's policy has it. */
  readonly tierPlacement: HomeKind;
  readonly requests: number;
  readonly refusals: number;
  readonly costMicroUsd: number;
  /** For which its work held slots that others waited for. */
  readonly heldMs: number;
  /** Buckets in which it led in that, and in cost. */
  readonly heldLeads: number;
  readonly costLeads: number;
}

export interface RangeActivity {
  readonly tenants: readonly TenantActivity[];
  /** Buckets in which anybody did anything. */
  readonly activeBuckets: number;
  readonly hours: number;
}

export interface Suggestion {
  readonly tenant: TenantRecord;
  readonly placement: HomeKind;
  readonly reason: string;
}

/** Who has two fifths of what all have together leads. Among fewer than three tenants somebody always does. */
export const leadingShare = 0.4;
export const tenantsMin = 3;
/** In half of the time at least: one bad hour is no reason to move a tenant. */
export const sustainedShare = 0.5;
export const activeBucketsMin = 4;
/** All waits in the range come to a minute at least: less was felt by nobody. */
export const heldMsMin = 60_000;
/** A tenant that is turned away more often than once in 20 requests, and a hundred times in all. */
export const refusedShare = 0.05;
export const refusalsMin = 100;
/** A silo costs a database, a user and a key: with less than a hundredth of all requests, over a day or more, it stands idle. */
export const quietShare = 0.01;
export const quietHoursMin = 24;

export function suggest({ tenants, activeBuckets, hours }: RangeActivity): readonly Suggestion[] {
  const sum = (of: (activity: TenantActivity) => number): number => tenants.reduce((total, activity) => total + of(activity), 0);
  const all = { held: sum(({ heldMs }) => heldMs), cost: sum(({ costMicroUsd }) => costMicroUsd), requests: sum(({ requests }) => requests) };
  return tenants.flatMap((activity): Suggestion[] => {
    const { tenant, tierPlacement } = activity;
    if (tenant.state !== "ACTIVE" || tenant.placement.kind === "MOVING") return [];
    const home = tenant.placement.home.kind;
    const reason = home === "POOL" ? reasonForSilo(activity, all, tenants.length, activeBuckets) : tierPlacement === "POOL" ? reasonForPool(activity, all, hours) : undefined;
    return reason === undefined ? [] : [{ tenant, placement: home === "POOL" ? "SILO" : "POOL", reason }];
  });
}

interface Sums { readonly held: number; readonly cost: number; readonly requests: number }

function reasonForSilo({ heldMs, costMicroUsd, heldLeads, costLeads, requests, refusals }: TenantActivity, all: Sums, tenants: number, activeBuckets: number): string | undefined {
  const isSustained = (leads: number): boolean => tenants >= tenantsMin && activeBuckets >= activeBucketsMin && leads >= sustainedShare * activeBuckets;
  const often = (leads: number): string => `led in ${leads} of ${activeBuckets} periods`;
  if (isSustained(heldLeads) && all.held >= heldMsMin && heldMs >= leadingShare * all.held) return `Its work held ${percent(heldMs / all.held)} of the slots that others waited for, and ${often(heldLeads)}`;
  if (isSustained(costLeads) && costMicroUsd >= leadingShare * all.cost) return `It spends ${percent(costMicroUsd / all.cost)} of all cost, and ${often(costLeads)}`;
  if (refusals >= refusalsMin && refusals >= refusedShare * (requests + refusals)) return `It was turned away at its limits ${refusals} times beside ${requests} requests: it has outgrown the pool`;
  return undefined;
}

function reasonForPool({ requests, costMicroUsd }: TenantActivity, all: Sums, hours: number): string | undefined {
  if (hours < quietHoursMin || all.requests === 0) return undefined;
  if (requests >= quietShare * all.requests || costMicroUsd > quietShare * all.cost) return undefined;
  return `It made ${requests} of ${all.requests} requests in ${Math.round(hours)} hours, and its tier's place is the pool: its silo stands idle`;
}

function percent(share: number): string {
  return `${Math.round(100 * share)} %`;
}
