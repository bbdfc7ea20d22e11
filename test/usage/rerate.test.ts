import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Deadline } from "../../src/kernel/deadline.js";
import type { RequestId } from "../../src/kernel/ids.js";
import { PriceBook } from "../../src/usage/price-book.js";
import { RerateUsage, type RerateInput, type RerateResult } from "../../src/usage/rerate-usage.js";
import { contextOf } from "../support/tenants.js";
import { LedgerWorld, rowAt, type LedgerRow } from "./ledger-world.js";

const start = Date.parse("2026-06-14T00:00:00Z");
const span = { from: new Date(start), to: new Date(start + 86_400_000) };

let world: LedgerWorld;
let tenants = 0;
beforeAll(async () => {
  world = await LedgerWorld.open("rerate");
  await world.control.rollups.setReady();
});
afterAll(() => world.close());

const freshTenant = (): string => `tenant-${++tenants}`;

/** A book whose newest version for June costs `promptPrice` micro-dollars a prompt token and nothing else. */
function bookAt(...promptPrices: number[]): PriceBook {
  const versions = promptPrices.map((promptPrice, at) => ({
    version: at === 0 ? "2026-01-01" : `2026-01-01.${at}`,
    effectiveFrom: "2026-01-01",
    ...(at === 0 ? {} : { supersedes: at === 1 ? "2026-01-01" : `2026-01-01.${at - 1}` }),
    models: { "*": { promptMicroUsdPerMillionTokens: promptPrice * 1_000_000, completionMicroUsdPerMillionTokens: 0, cachedPromptMicroUsdPerMillionTokens: 0 } },
    embedding: { "*": { microUsdPerMillionTokens: 0 } },
    guardrail: { "*": { microUsdPerMillionTokens: 0 } },
    cacheHit: { "*": { microUsdPerHit: 0 } },
  }));
  return PriceBook.parse({ versions });
}

async function fill(tenant: string, count: number, priceBook: PriceBook, more: Partial<LedgerRow> = {}): Promise<void> {
  const rows = Array.from({ length: count }, (_, number) => {
    const row = rowAt(new Date(start + number * 60_000), number, { promptTokens: 10 + number, ...more });
    return { ...row, ...priceBook.price(row.kind, row.model, row, row.at) };
  });
  const ledger = world.server().ledgerOf(contextOf(tenant));
  await Promise.all(rows.map((row) => ledger.append(row)));
}

function rerate(book: PriceBook, input: Partial<RerateInput>, corrections = world.server().corrections): Promise<RerateResult> {
  return new RerateUsage(corrections, book).run({ ...span, ...input }, Deadline.after(60_000));
}

async function reported(tenant: string): Promise<{ calls: number; promptTokens: number; costMicroUsd: number } | undefined> {
  const [group] = await world.server().ledgerOf(contextOf(tenant)).report(span.from, span.to, "MODEL");
  return group;
}
const rowsOf = (tenant: string) => world.db.collection("usage").find({ tenant_id: tenant }).sort({ _id: 1 }).toArray();

describe("calls that are priced anew (B15)", () => {
  it("get rows that correct, and none is edited; a report says the new price, the old calls and the old tokens", async () => {
    const tenant = freshTenant();
    await fill(tenant, 4, bookAt(5));
    const before = await rowsOf(tenant);
    expect(await reported(tenant)).toMatchObject({ calls: 4, promptTokens: 46, costMicroUsd: 230 });
    expect(await rerate(bookAt(5, 2), { tenantId: tenant })).toEqual({ calls: 4, corrected: 4, differenceMicroUsd: -138 });
    expect(await reported(tenant)).toMatchObject({ calls: 4, promptTokens: 46, costMicroUsd: 92 });
    const after = await rowsOf(tenant);
    expect(after).toHaveLength(8);
    expect(after.filter((row) => row["corrects"] === undefined)).toEqual(before);
    expect(after.find((row) => row["corrects"] === before[0]?._id)).toMatchObject({ kind: "COMPLETION", price_version: "2026-01-01.1", at: before[0]?.["at"], prompt_tokens: 0 });
  });

  it("are corrected once however often it is asked, also after a run that was cut in the middle", async () => {
    const tenant = freshTenant();
    await fill(tenant, 6, bookAt(5));
    const cut = world.server((collection, method) => {
      if (collection === "usage" && method === "insertMany") throw new TypeError("The server was killed");
    });
    await expect(rerate(bookAt(5, 7), { tenantId: tenant }, cut.corrections)).rejects.toThrow("killed");
    // Half of it has landed.
    const half = await world.control.corrections.page(contextOf(tenant).tenantId, span, undefined, 3);
    await world.control.corrections.correct(half.map((call) => ({ call, priceVersion: "2026-01-01.1", differenceMicroUsd: call.row.promptTokens * 2 })));
    expect(await rerate(bookAt(5, 7), { tenantId: tenant })).toMatchObject({ calls: 6, corrected: 3 });
    expect(await rerate(bookAt(5, 7), { tenantId: tenant })).toEqual({ calls: 6, corrected: 0, differenceMicroUsd: 0 });
    expect(await reported(tenant)).toMatchObject({ costMicroUsd: 7 * 75 });
  });

  it("by several runs at once, of one book and of two, cost what one book says in the end", async () => {
    const tenant = freshTenant();
    await fill(tenant, 20, bookAt(5));
    const [second, third] = [bookAt(5, 2), bookAt(5, 2, 9)];
    const runs = await Promise.all([second, third, second, third].map((book) => rerate(book, { tenantId: tenant })));
    const tokens = 20 * 10 + 190;
    const cost = (await reported(tenant))?.costMicroUsd ?? 0;
    expect(5 * tokens + runs.reduce((sum, { differenceMicroUsd }) => sum + differenceMicroUsd, 0)).toBe(cost);
    await rerate(third, { tenantId: tenant });
    expect(await reported(tenant)).toMatchObject({ costMicroUsd: 9 * tokens, calls: 20 });
  });

  it("can be priced back: the sum is the first price again", async () => {
    const tenant = freshTenant();
    await fill(tenant, 3, bookAt(5));
    await rerate(bookAt(5, 2), { tenantId: tenant });
    await rerate(bookAt(5), { tenantId: tenant });
    await rerate(bookAt(5, 2), { tenantId: tenant });
    expect(await reported(tenant)).toMatchObject({ costMicroUsd: 2 * 33 });
  });

  it("in a dry run are only counted", async () => {
    const tenant = freshTenant();
    await fill(tenant, 4, bookAt(5));
    expect(await rerate(bookAt(5, 2), { tenantId: tenant, dryRun: true })).toEqual({ calls: 4, corrected: 4, differenceMicroUsd: -138 });
    expect(await rowsOf(tenant)).toHaveLength(4);
  });

  it("of other tenants and other times are left alone", async () => {
    const [mine, other] = [freshTenant(), freshTenant()];
    await Promise.all([fill(mine, 3, bookAt(5)), fill(other, 3, bookAt(5))]);
    await rerate(bookAt(5, 2), { tenantId: mine, from: new Date(start + 60_000), to: new Date(start + 120_000) });
    expect([(await rowsOf(mine)).length, (await rowsOf(other)).length]).toEqual([4, 3]);
  });

  it("come into rollups that were complete before", async () => {
    const tenant = freshTenant();
    const writer = world.server();
    for (let number = 0; number < 3; number += 1) await writer.ledgerOf(contextOf(tenant)).append(rowAt(new Date(start + number * 3_600_000), number, { promptTokens: 10, priceVersion: "2026-01-01", costMicroUsd: 50, requestId: "req_r" as RequestId }));
    await writer.rollups.releaseHours(0);
    while ((await writer.rollups.project(100)) > 0);
    const rerater = world.server();
    await rerate(bookAt(5, 3), { tenantId: tenant }, rerater.corrections);
    expect(await reported(tenant)).toMatchObject({ calls: 3, costMicroUsd: 90 });
    await rerater.rollups.releaseHours(0);
    while ((await writer.rollups.project(100)) > 0);
    expect(await world.db.collection("usage_hours").countDocuments({ tenant_id: tenant })).toBe(0);
    expect(await reported(tenant)).toMatchObject({ calls: 3, costMicroUsd: 90 });
  });

  it("go on where the time was up, and over pages, each call once", async () => {
    const tenant = freshTenant();
    await fill(tenant, 1_203, bookAt(5), { model: "m9" });
    const rerater = new RerateUsage(world.server().corrections, bookAt(5, 6));
    // No time at all: it says where to begin. Then all of the time.
    const first = await rerater.run({ ...span, tenantId: tenant }, Deadline.after(1_000));
    expect(first).toMatchObject({ calls: 0, next: expect.any(String) });
    const rest = await rerater.run({ ...span, tenantId: tenant, ...(first.next === undefined ? {} : { after: first.next }) }, Deadline.after(60_000));
    expect(rest).toEqual({ calls: 1_203, corrected: 1_203, differenceMicroUsd: 1_203 * 10 + (1_203 * 1_202) / 2 });
  }, 60_000);

  it("are refused for a range that is none and a cursor that is none", async () => {
    await expect(rerate(bookAt(5), { from: span.to })).rejects.toMatchObject({ code: "BAD_USER_INPUT" });
    await expect(rerate(bookAt(5), { after: "!" })).rejects.toMatchObject({ code: "BAD_USER_INPUT" });
    await expect(rerate(bookAt(5), { tenantId: { $ne: "" } })).rejects.toMatchObject({ code: "BAD_USER_INPUT" });
  });
});
