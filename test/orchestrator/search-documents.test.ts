import { describe, expect, it } from "vitest";
import { Deadline } from "../../src/kernel/deadline.js";
import { contextOf } from "../metering/spend-fixtures.js";
import { openBench } from "./ask-bench.js";

const deadline = () => Deadline.after(10_000);
const input = { query: "notice period", first: 10, filter: {}, mode: "HYBRID" } as const;

describe("a search", () => {
  it("finds passages and spends the query's embedding", async () => {
    const bench = openBench();
    const context = contextOf();
    expect(await bench.search.run(context, deadline(), input, "search")).toEqual({ kind: "HITS", hits: bench.passages });
    expect(bench.ledger.rows).toMatchObject([{ kind: "EMBEDDING", operation: "search", path: "search", promptTokens: 6 }]);
    expect(await bench.usedTokens(context)).toBe(6);
  });

  it("by text alone embeds nothing and spends nothing", async () => {
    const bench = openBench();
    bench.embed = async () => expect.unreachable();
    expect(await bench.search.run(contextOf(), deadline(), { ...input, mode: "TEXT" }, "search")).toMatchObject({ kind: "HITS" });
    expect(bench.ledger.rows).toEqual([]);
  });

  it.each([
    ["an empty query", { query: "  " }],
    ["a query of 100,000 characters", { query: "a".repeat(100_000) }],
    ["no hits", { first: 0 }],
    ["a million hits", { first: 1_000_000 }],
    ["half a hit", { first: 1.5 }],
  ])("refuses %s before anything is spent", async (_what, change) => {
    const bench = openBench();
    await expect(bench.search.run(contextOf(), deadline(), { ...input, ...change }, "search")).rejects.toMatchObject({ code: "BAD_USER_INPUT" });
    expect(bench.ledger.rows).toEqual([]);
  });

  it("is refused when no tokens are left", async () => {
    const bench = openBench();
    const context = contextOf();
    await bench.quotas.reserveTokens(context, context.policy.tokensPerMinute);
    expect(await bench.search.run(context, deadline(), input, "search")).toMatchObject({ kind: "REFUSAL", code: "RATE_LIMITED" });
  });

  it("ends with its deadline although the embedding hangs, and gives its turn back", async () => {
    const bench = openBench();
    const context = contextOf();
    bench.embed = () => new Promise(() => {});
    await expect(bench.search.run(context, Deadline.after(50), input, "search")).rejects.toMatchObject({ code: "DEADLINE_EXCEEDED" });
    expect((await bench.quotas.view(context)).tokens.reserved).toBe(0);
    expect(bench.ledger.rows).toMatchObject([{ outcome: "ABORTED" }]);
  });
});
