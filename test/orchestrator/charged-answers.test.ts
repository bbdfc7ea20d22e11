import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { LazyTokenCounter } from "../../src/inference/token-counter.js";
import { OpenAiChat } from "../../src/inference/openai-chat.js";
import { Deadline } from "../../src/kernel/deadline.js";
import { BulkheadError, upstreamFailed } from "../../src/kernel/errors.js";
import { MemorySpendingStore } from "../../src/quotas/memory-spending-store.js";
import { TenantBudgets } from "../../src/quotas/tenant-budgets.js";
import { silentTelemetry } from "../../src/kernel/telemetry.js";
import { contextOf, type LedgerRow } from "../metering/spend-fixtures.js";
import { SharedSpending } from "../quotas/budget-fixtures.js";
import { startStubModelServer, type StubModelServer } from "../support/stub-model-server.js";
import { openBench, type ScriptedModel } from "./ask-bench.js";

const context = contextOf({ policy: { tokensPerMinute: 1_000_000, budgetDayMicroUsd: 1_000_000_000, budgetMonthMicroUsd: 10_000_000_000, concurrentCalls: 10 } });
const counter = new LazyTokenCounter();

/** Where the client's reading ends: at the end, by leaving after so many events, or by the deadline. */
type End = { readonly kind: "READ" } | { readonly kind: "LEAVE" | "DEADLINE"; readonly after: number };

interface Charged {
  /** Of the model's call, without the embedding's. */
  readonly row: LedgerRow | undefined;
  /** Text that came from the model. */
  readonly came: string;
  readonly events: number;
  readonly code: string | undefined;
}

/** One question, streamed to a client; fails unless it is settled once and ledger, quota and budget say the same. */
async function charge(script: ScriptedModel["script"], end: End, deadlineMs = 20_000): Promise<Charged> {
  const opened: TenantBudgets[] = [];
  const bench = openBench({
    budgets: (ledger) => {
      const budgets = new TenantBudgets(new MemorySpendingStore(new SharedSpending()), () => ledger, silentTelemetry);
      opened.push(budgets);
      return budgets;
    },
  });
  let came = "";
  bench.model.script = async function* (request, signal) {
    for await (const event of script(request, signal)) {
      if (event.kind === "DELTA") came += event.text;
      yield event;
    }
  };
  const deadline = Deadline.after(deadlineMs);
  const stream = bench.answers.stream(context, deadline, { question: "How long is the notice period?" }, "answer");
  let [events, code]: [number, string | undefined] = [0, undefined];
  try {
    for (;;) {
      if (end.kind !== "READ" && events === end.after) {
        if (end.kind === "DEADLINE") deadline.abort(new BulkheadError("DEADLINE_EXCEEDED", "Gone"));
        await stream.return(undefined);
        break;
      }
      if ((await stream.next()).done === true) break;
      events += 1;
    }
  } catch (error) {
    code = error instanceof BulkheadError ? error.code : String(error);
  }
  await Promise.all(opened.map((budgets) => budgets.close()));
  const { rows } = bench.ledger;
  const spent = { tokens: sum(rows, (row) => row.promptTokens + row.completionTokens), microUsd: sum(rows, (row) => row.costMicroUsd) };
  const [{ tokens }, budget] = [await bench.quotas.view(context), await opened[0]?.view(context)];
  expect({ used: tokens.limit - tokens.remaining, reserved: tokens.reserved }).toEqual({ used: spent.tokens, reserved: 0 });
  expect(budget?.day).toMatchObject({ spentMicroUsd: spent.microUsd, reservedMicroUsd: 0 });
  expect(bench.queue.running).toBe(0);
  const own = rows.filter(({ kind }) => kind === "COMPLETION");
  expect(own.length).toBeLessThanOrEqual(1);
  return { row: own[0], came, events, code };
}

const sum = (rows: readonly LedgerRow[], of: (row: LedgerRow) => number): number => rows.reduce((total, row) => total + of(row), 0);

const words = 12;
const usage = { promptTokens: 300, completionTokens: 17 };

function saying(failsAt?: number): ScriptedModel["script"] {
  return async function* () {
    for (let i = 0; i < words; i += 1) {
      if (i === failsAt) throw upstreamFailed("The model broke");
      yield { kind: "DELTA", text: " leave" };
    }
    if (failsAt === words) throw upstreamFailed("The model broke");
    yield { kind: "DONE", finishReason: "STOP", usage, cited: [] };
  };
}

describe("an answer is settled once, and ledger, quota and budget say the same", () => {
  beforeAll(() => counter.load());

  it("when it is read to its end: what the provider says", async () => {
    expect((await charge(saying(), { kind: "READ" })).row).toMatchObject({ ...usage, outcome: "OK" });
  });

  it.each(["LEAVE", "DEADLINE"] as const)("when it ends by %s after any of its events: the prompt, and the words that came", async (kind) => {
    const whole = (await charge(saying(), { kind: "READ" })).events;
    expect(whole).toBeGreaterThan(2);
    for (let after = 0; after < whole; after += 1) {
      const { row, came } = await charge(saying(), { kind, after });
      if (came === "") expect(row?.completionTokens ?? 0).toBe(0);
      else if (row?.outcome === "OK") expect(row).toMatchObject(usage);
      else expect(row).toMatchObject({ outcome: "ABORTED", completionTokens: counter.count(came), promptTokens: expect.any(Number) });
      if (came !== "") expect(row?.promptTokens).toBeGreaterThan(20);
    }
  });

  it.each(Array.from({ length: words + 1 }, (_, at) => at))("when the model fails before part %i: what came, and nothing when nothing did", async (at) => {
    const { row, code } = await charge(saying(at), { kind: "READ" });
    expect(code).toBe("UPSTREAM_FAILED");
    expect(row).toMatchObject({ outcome: "FAILED", completionTokens: at });
    expect(row?.promptTokens === 0).toBe(at === 0);
  });
});

const silent: ScriptedModel["script"] = async function* (_request, signal) {
  await new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
  yield { kind: "DELTA", text: "never" };
};

describe("a model that says nothing", () => {
  it("is paid for the prompt when its client has waited and left", async () => {
    const { row } = await charge(silent, { kind: "READ" }, 300);
    expect(row).toMatchObject({ outcome: "ABORTED", completionTokens: 0 });
    expect(row?.promptTokens).toBeGreaterThan(20);
  });
});

describe("over a connection", () => {
  let stub: StubModelServer;
  beforeAll(async () => {
    await counter.load();
    stub = await startStubModelServer();
  });
  afterAll(() => stub.close());

  const answer = "The notice period is six weeks, and it is given in writing to the office [1].";
  const ask = (behaviour: Parameters<StubModelServer["behave"]>[0], end: End = { kind: "READ" }): Promise<Charged> => {
    stub.behave(behaviour, answer);
    const chat = new OpenAiChat({ baseUrl: stub.baseUrl, models: ["scripted"] }, counter);
    return charge((request, signal) => chat.complete(request, signal), end);
  };

  it("usage that the provider leaves out is counted here: neither lost nor free", async () => {
    const { row } = await ask("missing-usage");
    expect(row).toMatchObject({ outcome: "OK", completionTokens: counter.count(answer) });
    expect(row?.promptTokens).toBeGreaterThan(20);
    expect(row?.costMicroUsd).toBeGreaterThan(0);
  });

  it("a zero that the provider says itself is believed: nothing is billed beyond it", async () => {
    expect((await ask("zero-usage")).row).toMatchObject({ outcome: "OK", promptTokens: 0, completionTokens: 0, costMicroUsd: 0 });
  });

  it("the part of the prompt that the provider had cached reaches the row, at its own price", async () => {
    const [cached, plain] = [await ask("cached-usage"), await ask("ok")];
    expect(cached.row).toMatchObject({ outcome: "OK", promptTokens: 123, cachedPromptTokens: 100 });
    expect(cached.row?.costMicroUsd).toBeLessThan(plain.row?.costMicroUsd ?? 0);
  });

  it.each(["truncated", "error-in-stream", "not-json"] as const)("an answer that breaks off (%s) is charged for the words that came", async (behaviour) => {
    const { row, came } = await ask(behaviour);
    expect(came).not.toBe("");
    expect(row).toMatchObject({ outcome: "FAILED" });
    expect(row?.completionTokens).toBeGreaterThan(0);
    expect(row?.promptTokens).toBeGreaterThan(20);
  });

  it.each(["down", "http-error", "html"] as const)("one that never begins (%s) is free", async (behaviour) => {
    expect((await ask(behaviour)).row).toMatchObject({ outcome: "FAILED", promptTokens: 0, completionTokens: 0, costMicroUsd: 0 });
  });

  it("a client that leaves just before the provider's figures pays for every word that came", async () => {
    const whole = (await ask("ok")).events;
    const { row, came } = await ask("ok", { kind: "LEAVE", after: whole - 1 });
    expect(row?.completionTokens).toBeGreaterThan(0);
    expect(came).not.toBe("");
  });
});
