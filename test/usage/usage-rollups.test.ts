import fc from "fast-check";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { silentTelemetry } from "../../src/kernel/telemetry.js";
import type { UsageGrouping } from "../../src/storage/control/usage-rows.js";
import { UsageProjector } from "../../src/usage/usage-projector.js";
import { contextOf } from "../support/tenants.js";
import { LedgerWorld, rowAt, summed, type LedgerRow } from "./ledger-world.js";

const groupings = ["MODEL", "USER", "OPERATION", "DAY"] as const satisfies readonly UsageGrouping[];
const start = Date.parse("2026-06-14T00:00:00Z");
const hourMs = 3_600_000;
const spanHours = 30;
const all = { from: new Date(start), to: new Date(start + spanHours * hourMs) };

let world: LedgerWorld;
let tenants = 0;
beforeAll(async () => {
  world = await LedgerWorld.open("rollups");
});
afterAll(() => world.close());
beforeEach(() => world.control.rollups.setReady());

const freshTenant = (): string => `tenant-${++tenants}`;
const rollupsOf = (tenant: string) => world.db.collection("usage_rollups").find({ tenant_id: tenant }).toArray();
const openHoursOf = (tenant: string) => world.db.collection("usage_hours").countDocuments({ tenant_id: tenant });

async function projectAll(server = world.server()): Promise<void> {
  while ((await server.rollups.project(100)) > 0);
}

/** Every grouping, for the tenant and for one user, must equal the rows. */
async function expectEqual(tenant: string, rows: readonly LedgerRow[], span: { from: Date; to: Date } = all): Promise<void> {
  const ledger = world.server().ledgerOf(contextOf(tenant));
  for (const groupBy of groupings) {
    for (const user of [undefined, "usr_a"]) {
      expect(await ledger.report(span.from, span.to, groupBy, user), `${groupBy} of ${user ?? "all"}`).toEqual(summed(rows, { ...span, groupBy, user }));
    }
  }
}

const anyRow = fc.record({
  minute: fc.integer({ min: 0, max: spanHours * 60 - 1 }),
  userPseudonym: fc.constantFrom("usr_a", "usr_b"),
  model: fc.constantFrom("m1", "m2"),
  operation: fc.constantFrom("ask", "search"),
  promptTokens: fc.nat(5_000),
  completionTokens: fc.nat(500),
  cachedPromptTokens: fc.nat(50),
  reasoningTokens: fc.nat(50),
  costMicroUsd: fc.nat(9_000_000),
});
const anyStep = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("WRITE" as const), server: fc.nat(1), rows: fc.array(anyRow, { minLength: 1, maxLength: 12 }) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("RELEASE" as const), server: fc.nat(1) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("PROJECT" as const), hours: fc.integer({ min: 1, max: 8 }) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("CRASH" as const), afterCalls: fc.nat(4) }) },
);

describe("rollups equal the rows", () => {
  it("whatever the order of rows, of releases, of passes in pieces, and of crashes within a pass", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(anyStep, { minLength: 4, maxLength: 14 }), fc.nat(spanHours * 60), fc.nat(spanHours * 60), async (steps, a, b) => {
        const tenant = freshTenant();
        const servers = [world.server(), world.server()] as const;
        const rows: LedgerRow[] = [];
        for (const step of steps) {
          if (step.kind === "WRITE") {
            const batch = step.rows.map(({ minute, ...row }, at) => rowAt(new Date(start + minute * 60_000), rows.length + at, row));
            await Promise.all(batch.map((row) => (servers[step.server] ?? servers[0]).ledgerOf(contextOf(tenant)).append(row)));
            rows.push(...batch);
          } else if (step.kind === "RELEASE") {
            await (servers[step.server] ?? servers[0]).rollups.releaseHours(0);
          } else if (step.kind === "PROJECT") {
            await world.server().rollups.project(step.hours);
          } else {
            let calls = 0;
            const dying = world.server((_collection, method) => {
              if (["bulkWrite", "deleteOne"].includes(method) && calls++ === step.afterCalls) throw new TypeError("The server was killed");
            });
            await dying.rollups.project(8).catch(() => undefined);
          }
        }
        const [from, to] = [new Date(start + Math.min(a, b) * 60_000), new Date(start + Math.max(a, b) * 60_000)];
        await expectEqual(tenant, rows, { from, to });
        for (const server of servers) await server.rollups.releaseHours(0);
        await projectAll();
        expect(await openHoursOf(tenant)).toBe(0);
        await expectEqual(tenant, rows);
      }),
      { numRuns: 12 },
    );
  }, 120_000);

  it("when a projector sleeps between its reading and its writing, while another projects more rows", async () => {
    const tenant = freshTenant();
    const writer = world.server();
    const first = rowAt(new Date(start), 1);
    await writer.ledgerOf(contextOf(tenant)).append(first);
    await writer.rollups.releaseHours(0);
    const late = rowAt(new Date(start + 1), 2);
    let slept = false;
    const sleeper = world.server(async (collection, method) => {
      if (slept || collection !== "usage_rollups" || method !== "bulkWrite") return;
      slept = true;
      await writer.ledgerOf(contextOf(tenant)).append(late);
      await writer.rollups.releaseHours(0);
      await projectAll();
    });
    await sleeper.rollups.project(100);
    expect(slept).toBe(true);
    await expectEqual(tenant, [first, late]);
    expect(await rollupsOf(tenant)).toMatchObject([{ rows: 2, calls: 2 }]);
  });

  it("when a row comes late into an hour that was projected long ago, from the moment it is acknowledged", async () => {
    const tenant = freshTenant();
    const rows = [rowAt(new Date(start), 1), rowAt(new Date(start + 5 * hourMs), 2)];
    const writer = world.server();
    for (const row of rows) await writer.ledgerOf(contextOf(tenant)).append(row);
    await writer.rollups.releaseHours(0);
    await projectAll();
    rows.push(rowAt(new Date(start + 1), 3, { model: "m2" }));
    await writer.ledgerOf(contextOf(tenant)).append(rows[2] ?? rowAt(all.from, 0));
    await expectEqual(tenant, rows);
    // Nobody projects an hour that is being written.
    await projectAll();
    expect(await openHoursOf(tenant)).toBe(1);
  });

  it("when they were lost: they are built again from the rows, in pieces", async () => {
    const tenant = freshTenant();
    const rows = Array.from({ length: 40 }, (_, number) => rowAt(new Date(start + number * 40 * 60_000), number, { model: `m${number % 3}`, costMicroUsd: number }));
    const writer = world.server();
    await Promise.all(rows.map((row) => writer.ledgerOf(contextOf(tenant)).append(row)));
    await writer.rollups.releaseHours(0);
    await projectAll();
    await world.db.collection("usage_rollups").deleteMany({ tenant_id: tenant, model: "m1" });
    expect(await world.server().rollups.markStale()).toBeGreaterThan(0);
    await expectEqual(tenant, rows);
    while ((await world.server().rollups.project(3)) > 0);
    expect(await openHoursOf(tenant)).toBe(0);
    await expectEqual(tenant, rows);
    expect(await world.server().rollups.markStale()).toBe(0);
  });
});

describe("a report", () => {
  it("reads whole hours from the rollups and only the edges from the rows", async () => {
    const tenant = freshTenant();
    const rows = [rowAt(new Date(start + 10), 1), rowAt(new Date(start + 2 * hourMs), 2), rowAt(new Date(start + 6 * hourMs + 10), 3)];
    const writer = world.server();
    for (const row of rows) await writer.ledgerOf(contextOf(tenant)).append(row);
    await writer.rollups.releaseHours(0);
    await projectAll();
    // A mark in the rollup that the rows do not have shows who was asked.
    await world.db.collection("usage_rollups").updateOne({ tenant_id: tenant, hour: new Date(start + 2 * hourMs) }, { $set: { calls: 100 } });
    const callsIn = async (from: number, to: number): Promise<number> => (await world.server().ledgerOf(contextOf(tenant)).report(new Date(from), new Date(to), "MODEL"))[0]?.calls ?? 0;
    expect(await callsIn(start + 5, start + 6 * hourMs + 20)).toBe(102);
    expect(await callsIn(start + 2 * hourMs, start + 3 * hourMs)).toBe(1);
  });

  it("reads rows alone until every hour was projected once", async () => {
    const tenant = freshTenant();
    const row = rowAt(new Date(start + 2 * hourMs), 1);
    await world.server().ledgerOf(contextOf(tenant)).append(row);
    // As after an upgrade: rows of old that no claim was ever made for.
    await world.db.collection("usage_hours").deleteMany({ tenant_id: tenant });
    await world.db.collection("markers").deleteMany({});
    await expectEqual(tenant, [row]);
    const projector = new UsageProjector(world.server().rollups, silentTelemetry);
    expect(await projector.pass()).toBeGreaterThan(0);
    expect(await world.control.rollups.isReady()).toBe(true);
    expect(await rollupsOf(tenant)).toHaveLength(1);
    await expectEqual(tenant, [row]);
    await projector.close();
  });
});

describe("an hour is claimed before a row of it is written", () => {
  it("so that a writer that dies in between leaves its hour to be read from the rows", async () => {
    const tenant = freshTenant();
    const dying = world.server((collection, method) => {
      if (collection === "usage" && method === "insertMany") throw new TypeError("The server was killed");
    });
    await expect(dying.ledgerOf(contextOf(tenant)).append(rowAt(all.from, 1))).rejects.toThrow("killed");
    await projectAll();
    expect(await openHoursOf(tenant)).toBe(1);
    // Nobody has heard of it for longer than any claim lives.
    await world.db.collection("usage_hours").updateOne({ tenant_id: tenant }, { $set: { claimed_at: new Date(Date.now() - 3 * hourMs) } });
    await projectAll();
    expect(await openHoursOf(tenant)).toBe(0);
  });

  it("and a row whose hour cannot be claimed is not written", async () => {
    const tenant = freshTenant();
    const cut = world.server((collection, method) => {
      if (collection === "usage_hours" && method === "bulkWrite") throw new TypeError("No connection");
    });
    await expect(cut.ledgerOf(contextOf(tenant)).append(rowAt(all.from, 1))).rejects.toThrow("No connection");
    expect(await world.db.collection("usage").countDocuments({ tenant_id: tenant })).toBe(0);
  });

  it("once for all batches of the hour, not once a batch", async () => {
    const tenant = freshTenant();
    let claims = 0;
    const server = world.server((collection, method) => {
      if (collection === "usage_hours" && method === "bulkWrite") claims += 1;
    });
    for (let number = 0; number < 20; number += 1) await server.ledgerOf(contextOf(tenant)).append(rowAt(all.from, number));
    expect(claims).toBe(1);
  });

  it("by each server for itself: one that gives up does not give up the other's", async () => {
    const tenant = freshTenant();
    const [first, second] = [world.server(), world.server()];
    await Promise.all([first.ledgerOf(contextOf(tenant)).append(rowAt(all.from, 1)), second.ledgerOf(contextOf(tenant)).append(rowAt(all.from, 2))]);
    await first.rollups.releaseHours(0);
    await projectAll();
    expect(await openHoursOf(tenant)).toBe(1);
    await second.rollups.releaseHours(0);
    await projectAll();
    expect(await openHoursOf(tenant)).toBe(0);
  });
});

describe("the projector", () => {
  it("works on one server at a time", async () => {
    const tenant = freshTenant();
    const writer = world.server();
    await writer.ledgerOf(contextOf(tenant)).append(rowAt(all.from, 1));
    await writer.rollups.releaseHours(0);
    await world.db.collection("leases").deleteMany({});
    const [first, second] = [new UsageProjector(world.server().rollups, silentTelemetry), new UsageProjector(world.server().rollups, silentTelemetry)];
    expect(await first.pass()).toBe(1);
    await world.server().rollups.markStale();
    await writer.ledgerOf(contextOf(tenant)).append(rowAt(all.from, 2));
    await writer.rollups.releaseHours(0);
    expect(await second.pass()).toBe(0);
    // Its server has died: the lease passes.
    await world.db.collection("leases").updateMany({}, { $set: { lease_until: new Date(0) } });
    expect(await second.pass()).toBe(1);
    await Promise.all([first.close(), second.close()]);
  });
});
