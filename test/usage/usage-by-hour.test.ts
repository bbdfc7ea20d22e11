import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { contextOf } from "../support/tenants.js";
import { LedgerWorld, rowAt, type LedgerRow } from "./ledger-world.js";

const hourMs = 3_600_000;
const start = Date.parse("2026-06-14T00:00:00Z");

describe("what tenants spend by hour", () => {
  let world: LedgerWorld;
  let run = 0;
  beforeAll(async () => {
    world = await LedgerWorld.open("byhour");
  });
  afterAll(() => world.close());

  const row = fc.record({ tenant: fc.nat(2), minute: fc.nat(6 * 60 - 1), promptTokens: fc.nat(5_000), completionTokens: fc.nat(500), costMicroUsd: fc.nat(9_000_000) });
  const step = fc.oneof(
    fc.record({ kind: fc.constant("WRITE" as const), rows: fc.array(row, { minLength: 1, maxLength: 8 }) }),
    fc.record({ kind: fc.constant("PROJECT" as const), hours: fc.integer({ min: 1, max: 4 }) }),
  );

  it("is the sum of their rows, however many hours have been projected, each row once", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 6 }), async (steps) => {
        run += 1;
        const server = world.server();
        const from = start + run * 24 * hourMs;
        const written: (LedgerRow & { readonly tenant: string })[] = [];
        for (const one of steps) {
          if (one.kind === "PROJECT") {
            await server.rollups.releaseHours(0);
            await server.rollups.project(one.hours);
            continue;
          }
          for (const { tenant, minute, ...figures } of one.rows) {
            const id = `t${run}-${tenant}`;
            const made = { ...rowAt(new Date(from + minute * 60_000), written.length, figures), tenant: id };
            written.push(made);
            const { tenant: _of, ...plain } = made;
            await server.ledgerOf(contextOf(id)).append(plain);
          }
        }
        const expected = new Map<string, readonly [number, number]>();
        for (const { tenant, at, promptTokens, completionTokens, costMicroUsd } of written) {
          const key = `${tenant} ${Math.floor(at.getTime() / hourMs)}`;
          const [tokens, cost] = expected.get(key) ?? [0, 0];
          expected.set(key, [tokens + promptTokens + completionTokens, cost + costMicroUsd]);
        }
        const found = await server.usageByHour.read(new Date(from + 1), new Date(from + 6 * hourMs));
        expect(new Map(found.map(({ tenant, hour, tokens, costMicroUsd }) => [`${tenant} ${hour.getTime() / hourMs}`, [tokens, costMicroUsd]]))).toEqual(expected);
        expect(found.length).toBe(expected.size);
      }),
      { numRuns: 4 },
    );
  });

  it("ends before the hour that is not asked for, and is empty where nothing was spent", async () => {
    const server = world.server();
    await server.ledgerOf(contextOf("late")).append(rowAt(new Date(start - 5 * hourMs), 0));
    expect(await server.usageByHour.read(new Date(start - 8 * hourMs), new Date(start - 5 * hourMs))).toEqual([]);
    expect((await server.usageByHour.read(new Date(start - 6 * hourMs), new Date(start - 5 * hourMs + 1))).map(({ tenant }) => tenant)).toEqual(["late"]);
  });
});
