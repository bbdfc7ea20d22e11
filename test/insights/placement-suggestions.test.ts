import { describe, expect, it } from "vitest";
import { suggest, type TenantActivity } from "../../src/insights/placement-suggestions.js";
import { tenantRecord } from "../support/fake-services.js";

function activityOf(id: string, more: Partial<TenantActivity> = {}): TenantActivity {
  return { tenant: tenantRecord(id), tierPlacement: "POOL", requests: 1_000, refusals: 0, costMicroUsd: 1_000, heldMs: 0, heldLeads: 0, costLeads: 0, ...more };
}

const inSilo = (id: string, more: Partial<TenantActivity> = {}): TenantActivity => {
  const activity = activityOf(id, more);
  return { ...activity, tenant: { ...activity.tenant, placement: { kind: "SETTLED", home: { kind: "SILO", database: id }, epoch: 2 } } };
};
const range = (tenants: readonly TenantActivity[], more: { readonly activeBuckets?: number; readonly hours?: number } = {}) => suggest({ tenants, activeBuckets: 24, hours: 24, ...more }).map(({ tenant, placement, reason }) => [tenant.id, placement, reason]);
const others = [activityOf("beta"), activityOf("gamma")];

describe("where a tenant would be better at home", () => {
  it("is where it is, when nobody stands out", () => {
    expect(range([activityOf("alpha"), ...others])).toEqual([]);
    expect(range([])).toEqual([]);
  });

  it("is a silo for one whose work held the slots that others waited for, most of the time", () => {
    expect(range([activityOf("alpha", { heldMs: 90_000, heldLeads: 20 }), ...others.map((one) => ({ ...one, heldMs: 5_000 }))])).toEqual([["alpha", "SILO", "Its work held 90 % of the slots that others waited for, and led in 20 of 24 periods"]]);
  });

  it("is a silo for one that spends most, most of the time", () => {
    expect(range([activityOf("alpha", { costMicroUsd: 8_000, costLeads: 12 }), ...others])).toEqual([["alpha", "SILO", "It spends 80 % of all cost, and led in 12 of 24 periods"]]);
  });

  it.each([
    ["for one bad hour", { heldMs: 90_000, heldLeads: 2 }, {}],
    ["when all waits were seconds", { heldMs: 30_000, heldLeads: 20 }, {}],
    ["when little is known", { heldMs: 90_000, heldLeads: 3 }, { activeBuckets: 3 }],
  ])("is not a silo %s", (_name, more, options) => {
    expect(range([activityOf("alpha", more), ...others], options)).toEqual([]);
  });

  it("is not a silo because of leading where there are but two", () => {
    expect(range([activityOf("alpha", { heldMs: 90_000, heldLeads: 24 }), activityOf("beta")])).toEqual([]);
  });

  it("is a silo for one that is turned away at its limits again and again", () => {
    expect(range([activityOf("alpha", { refusals: 400 }), ...others])).toEqual([["alpha", "SILO", "It was turned away at its limits 400 times beside 1000 requests: it has outgrown the pool"]]);
    expect(range([activityOf("alpha", { refusals: 40, requests: 10 }), ...others])).toEqual([]);
    expect(range([activityOf("alpha", { refusals: 400, requests: 100_000 }), ...others])).toEqual([]);
  });

  it("is the pool again for a silo that stands idle, unless the tier has paid for it", () => {
    const idle = inSilo("alpha", { requests: 2, costMicroUsd: 0 });
    expect(range([idle, ...others])).toEqual([["alpha", "POOL", "It made 2 of 2002 requests in 24 hours, and its tier's place is the pool: its silo stands idle"]]);
    expect(range([{ ...idle, tierPlacement: "SILO" }, ...others])).toEqual([]);
    expect(range([idle, ...others], { hours: 3 })).toEqual([]);
    expect(range([inSilo("alpha", { requests: 500 }), ...others])).toEqual([]);
  });

  it("is not said of one that moves, or that is not served", () => {
    const big = activityOf("alpha", { heldMs: 90_000, heldLeads: 24 });
    expect(range([{ ...big, tenant: { ...big.tenant, state: "SUSPENDED" } }, ...others])).toEqual([]);
  });
});
