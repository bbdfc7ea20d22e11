import { describe, expect, it } from "vitest";
import type { CompletionEvent } from "../../src/inference/inference-backend.js";
import { Deadline } from "../../src/kernel/deadline.js";
import { upstreamFailed } from "../../src/kernel/errors.js";
import { contextOf } from "../metering/spend-fixtures.js";
import { openBench } from "./ask-bench.js";

const question = "What is the notice period?";
const cost: CompletionEvent = { kind: "USAGE", usage: { promptTokens: 50, completionTokens: 2, cachedPromptTokens: 40 } };
const word: CompletionEvent = { kind: "DELTA", text: "Six" };
const end: CompletionEvent = { kind: "DONE", finishReason: "STOP", usage: { promptTokens: 300, completionTokens: 4, cachedPromptTokens: 10 }, cited: [] };

/** What the ledger and the tenant's window say of one call whose back end does this. */
async function settledFor(events: readonly CompletionEvent[], fails: boolean) {
  const bench = openBench();
  const context = contextOf({ tier: "PRO" });
  bench.model.script = async function* () {
    yield* events;
    if (fails) throw upstreamFailed("Gone");
  };
  await bench.answers.run(context, Deadline.after(10_000), { question }, "ask").catch(() => undefined);
  const rows = bench.ledger.rows.filter(({ kind }) => kind === "COMPLETION");
  const embedding = 6;
  return { rows: rows.length, row: rows[0], taken: (await bench.usedTokens(context)) - embedding };
}

describe("an attempt that failed and that the provider billed", () => {
  it("is in the row of its call, with the attempt that answered, each token once", async () => {
    const { rows, row, taken } = await settledFor([cost, word, end], false);
    expect(rows).toBe(1);
    expect(row).toMatchObject({ promptTokens: 350, completionTokens: 6, cachedPromptTokens: 50, outcome: "OK" });
    expect(taken).toBe(356);
  });

  it("is charged when no other answered, though not a word came", async () => {
    const { rows, row, taken } = await settledFor([cost, cost], true);
    expect(rows).toBe(1);
    expect(row).toMatchObject({ promptTokens: 100, completionTokens: 4, outcome: "FAILED" });
    expect(taken).toBe(104);
  });

  it("after words is charged by the provider's word, and not by our count beside it", async () => {
    const { row, taken } = await settledFor([word, cost], true);
    expect(row).toMatchObject({ promptTokens: 50, completionTokens: 2, outcome: "FAILED" });
    expect(taken).toBe(52);
  });

  it("costs nothing when the provider says nothing and no word came", async () => {
    const { row, taken } = await settledFor([], true);
    expect(row).toMatchObject({ promptTokens: 0, completionTokens: 0, outcome: "FAILED" });
    expect(taken).toBe(0);
  });
});
