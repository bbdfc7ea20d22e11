import { describe, expect, it } from "vitest";
import { Deadline } from "../../src/kernel/deadline.js";
import { UsageReporter } from "../../src/usage/usage-report.js";
import { contextOf, MemoryLedger, pseudonyms, pseudonymsOf, recorderOf, recordingTelemetry } from "../metering/spend-fixtures.js";

const clock = { now: () => Date.parse("2026-06-15T12:00:00Z") };
const deadline = Deadline.after(60_000);

async function ledgerWith(calls: readonly { user: string; at: string; model?: string }[]): Promise<MemoryLedger> {
  const ledger = new MemoryLedger();
  const recorder = recorderOf(ledger, recordingTelemetry());
  for (const [callNumber, { user, at, model = "gpt-4o-mini" }] of calls.entries()) {
    const call = { kind: "COMPLETION", operation: "ask", model, path: "ask", callNumber, usage: { promptTokens: 1_000, completionTokens: 100 }, outcome: "OK" } as const;
    await recorder.record(contextOf({ user }), call, recorder.price(call, new Date(at)), new Date(at));
  }
  return ledger;
}

const calls = [
  { user: "ada", at: "2026-05-31T23:59:59Z" },
  { user: "ada", at: "2026-06-01T00:00:00Z" },
  { user: "bob", at: "2026-06-02T00:00:00Z" },
  { user: "bob", at: "2026-06-03T00:00:00Z", model: "embedded-extractive" },
];

describe("a usage report", () => {
  it("covers the current month unless told otherwise, and its totals are the sum of its groups", async () => {
    const reporter = new UsageReporter((_context) => ledger, pseudonyms, clock);
    const ledger = await ledgerWith(calls);
    const report = await reporter.run(contextOf({ roles: ["admin"] }), deadline, {});
    expect(report).toMatchObject({ from: new Date("2026-06-01T00:00:00Z"), groupBy: "MODEL", totals: { calls: 3, promptTokens: 3_000, completionTokens: 300, costMicroUsd: 630 } });
    expect(report.groups.map(({ key, calls: count }) => [key, count])).toEqual([["gpt-4o-mini", 2], ["embedded-extractive", 1]]);
  });

  it("shows a member their own calls and nobody else's", async () => {
    const ledger = await ledgerWith(calls);
    const report = await new UsageReporter(() => ledger, pseudonyms, clock).run(contextOf({ user: "ada" }), deadline, { groupBy: "USER" });
    expect(report.totals.calls).toBe(1);
    expect(report.groups).toHaveLength(1);
  });

  it.each(["MODEL", "OPERATION", "DAY"] as const)("never adds up other users' calls by %s for a member", async (groupBy) => {
    const ledger = await ledgerWith(calls);
    const report = await new UsageReporter(() => ledger, pseudonyms, clock).run(contextOf({ user: "ada" }), deadline, { groupBy });
    expect(report.totals.calls).toBe(1);
  });

  it.each([
    ["an end before its beginning", { from: new Date("2026-06-02"), to: new Date("2026-06-01") }],
    ["no length", { from: new Date("2026-06-01"), to: new Date("2026-06-01") }],
    ["ten years", { from: new Date("2016-06-01"), to: new Date("2026-06-01") }],
    ["no date", { from: new Date(Number.NaN) }],
  ])("refuses %s", async (_what, input) => {
    await expect(new UsageReporter(() => new MemoryLedger(), pseudonyms, clock).run(contextOf({ roles: ["admin"] }), deadline, input)).rejects.toMatchObject({ code: "BAD_USER_INPUT" });
  });
});

describe("a user's pseudonym", () => {
  it("is the same for the same user and says nothing of the name", async () => {
    expect(await pseudonyms.inLedger(contextOf())).toBe(await pseudonyms.inLedger(contextOf()));
    expect(await pseudonyms.inLedger(contextOf())).toMatch(/^usr_[\w-]{22}$/);
  });

  it("differs between users, tenants, keys and purposes", async () => {
    const names = await Promise.all([
      pseudonyms.inLedger(contextOf()),
      pseudonyms.inLedger(contextOf({ user: "bob" })),
      pseudonyms.inLedger(contextOf({ tenant: "globex" })),
      pseudonymsOf(Buffer.alloc(32, 8)).inLedger(contextOf()),
      pseudonyms.forProvider(contextOf()).then((tag) => tag.replace("tag_", "usr_")),
    ]);
    expect(new Set(names).size).toBe(names.length);
  });

  it("keeps tenant and user apart, however they are cut", async () => {
    expect(await pseudonyms.inLedger(contextOf({ tenant: "acme", user: "1x" }))).not.toBe(await pseudonyms.inLedger(contextOf({ tenant: "acme1", user: "x" })));
  });
});
