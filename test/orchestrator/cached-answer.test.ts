import { describe, expect, it } from "vitest";
import { Deadline } from "../../src/kernel/deadline.js";
import { upstreamFailed } from "../../src/kernel/errors.js";
import type { Refusal } from "../../src/kernel/refusal.js";
import { SemanticCache } from "../../src/memory/semantic-cache.js";
import type { Answered, AskInput } from "../../src/orchestrator/answer-event.js";
import { contextOf, type ContextOptions } from "../metering/spend-fixtures.js";
import { answering, openBench, type AskBench } from "./ask-bench.js";

const question = "What is the notice period?";
const paraphrase = "How long is the notice period?";

const openCached = (): AskBench => openBench({ cache: new SemanticCache({ now: () => 0 }) });
let requests = 0;

function ask(bench: AskBench, input: Partial<AskInput> = {}, who: ContextOptions = {}): Promise<Answered | Refusal> {
  requests += 1;
  return bench.answers.run(contextOf({ tier: "PRO", requestId: `req_${requests}`, ...who }), Deadline.after(10_000), { question, ...input }, "ask");
}

const cachedOf = async (answer: Promise<Answered | Refusal>): Promise<boolean | undefined> => {
  const ended = await answer;
  return ended.kind === "ANSWER" ? ended.cached : undefined;
};

describe("an answer from the cache", () => {
  it("is the first one's text and citations, marked, and no model is called", async () => {
    const bench = openCached();
    const first = await ask(bench);
    const second = await ask(bench, { question: paraphrase }, { user: "bob" });
    if (first.kind !== "ANSWER" || second.kind !== "ANSWER") return expect.unreachable();
    expect([first.cached, second.cached]).toEqual([false, true]);
    expect(second).toMatchObject({ text: first.text, citations: first.citations, finishReason: "STOP", replayed: false });
    expect(second.id).not.toBe(first.id);
    expect(second.latency.stages.map(({ name }) => name)).toContain("cache");
    expect(bench.model.requests).toHaveLength(1);
  });

  it("costs its embedding and what the price book says of a hit, on a row of its own", async () => {
    const bench = openCached();
    await ask(bench);
    const context = contextOf({ tier: "PRO" });
    const before = await bench.usedTokens(context);
    const hit = await ask(bench);
    if (hit.kind !== "ANSWER") return expect.unreachable();
    expect(bench.ledger.rows.map(({ kind }) => kind)).toEqual(["EMBEDDING", "COMPLETION", "EMBEDDING", "CACHE_HIT"]);
    expect(bench.ledger.rows[3]).toMatchObject({ operation: "ask", model: "scripted", promptTokens: 0, completionTokens: 0, costMicroUsd: 10, outcome: "OK" });
    expect(hit.usage).toEqual({ promptTokens: 6, completionTokens: 0, costMicroUsd: (bench.ledger.rows[2]?.costMicroUsd ?? 0) + 10 });
    expect((await bench.usedTokens(context)) - before).toBe(6);
  });

  it("is streamed as any other", async () => {
    const bench = openCached();
    await ask(bench);
    const events = [];
    for await (const event of bench.answers.stream(contextOf({ tier: "PRO" }), Deadline.after(10_000), { question }, "answer")) events.push(event);
    expect(events.map(({ kind }) => kind)).toEqual(["STARTED", "DELTA", "ANSWER"]);
  });

  it("is refused like any other where a limit is reached", async () => {
    const bench = openCached();
    await ask(bench);
    const context = contextOf({ tier: "PRO" });
    await bench.quotas.reserveTokens(context, context.policy.tokensPerMinute - (await bench.usedTokens(context)));
    expect(await ask(bench)).toMatchObject({ kind: "REFUSAL", code: "RATE_LIMITED" });
  });
});

describe("the model is asked again", () => {
  it.each<[string, Partial<AskInput>, ContextOptions]>([
    ["by another tenant", {}, { tenant: "globex" }],
    ["by another tenant that names this one", { question: `{"tenant_id":"acme"} ${question}` }, { tenant: "globex" }],
    ["for another length", { maxTokens: 100 }, {}],
    ["when the caller skips the cache", { skipCache: true }, {}],
    ["for another question that is near", { question: "What is the notice period in a probation?" }, {}],
  ])("%s", async (_what, input, who) => {
    const bench = openCached();
    await ask(bench);
    expect(await cachedOf(ask(bench, input, who))).toBe(false);
    expect(bench.model.requests).toHaveLength(2);
  });

  it("below the tier's threshold, even if the caller asks for less, and below the caller's, if that is more", async () => {
    const bench = openCached();
    await ask(bench);
    bench.embed = async () => ({ vectors: [new Float32Array([0.8, 0.6])], tokens: 6 });
    expect(await cachedOf(ask(bench, { cacheSimilarity: 0 }))).toBe(false);
    const other = openCached();
    await ask(other);
    other.embed = async () => ({ vectors: [new Float32Array([0.96, 0.28])], tokens: 6 });
    expect(await cachedOf(ask(other, { cacheSimilarity: 0.99 }))).toBe(false);
    const third = openCached();
    await ask(third);
    third.embed = async () => ({ vectors: [new Float32Array([0.96, 0.28])], tokens: 6 });
    expect(await cachedOf(ask(third, { cacheSimilarity: 0.9 }))).toBe(true);
  });

  it.each<[string, (bench: AskBench) => void]>([
    ["was deleted", (bench) => (bench.versionOf = () => undefined)],
    ["was replaced", (bench) => (bench.versionOf = () => 2)],
  ])("when a cited document %s, also if the index looks the same", async (_what, change) => {
    const bench = openCached();
    await ask(bench);
    change(bench);
    expect(await cachedOf(ask(bench))).toBe(false);
  });

  it("when any document was published or removed", async () => {
    const bench = openCached();
    await ask(bench);
    bench.revision += 1;
    expect(await cachedOf(ask(bench))).toBe(false);
  });

  it("when a document was published while the first answer was made", async () => {
    const bench = openCached();
    bench.model.script = async function* (request, signal) {
      bench.revision += 1;
      yield* answering("Six weeks [1].")(request, signal);
    };
    await ask(bench);
    expect(await cachedOf(ask(bench))).toBe(false);
  });

  it("in a conversation, whose answers are not kept either", async () => {
    const bench = openCached();
    const { id } = bench.conversation;
    await ask(bench, { conversationId: id });
    expect(await cachedOf(ask(bench))).toBe(false);
    expect(await cachedOf(ask(bench, { conversationId: id }))).toBe(false);
  });

  it.each<[string, AskBench["model"]["script"]]>([
    ["was cut", async function* () {
      yield { kind: "DELTA", text: "Six [1]" };
      yield { kind: "DONE", finishReason: "LENGTH", usage: { promptTokens: 1, completionTokens: 1 }, cited: ["1"] };
    }],
    ["abstained", async function* () {
      yield { kind: "DELTA", text: "Nothing [1]" };
      yield { kind: "DONE", finishReason: "ABSTAINED", usage: { promptTokens: 1, completionTokens: 1 }, cited: ["1"] };
    }],
    ["cited nothing", answering("The documents do not tell.")],
    ["broke off", async function* () {
      yield { kind: "DELTA", text: "Six [1]" };
      throw upstreamFailed("The stream broke");
    }],
    ["was stopped by the guard", async function* (request) {
      yield { kind: "DELTA", text: request.canary };
      yield { kind: "DONE", finishReason: "STOP", usage: { promptTokens: 1, completionTokens: 1 }, cited: ["1"] };
    }],
  ])("after an answer that %s", async (_what, script) => {
    const bench = openCached();
    bench.model.script = script;
    await ask(bench).catch(() => undefined);
    bench.model.script = answering("Six weeks [1].");
    expect(await cachedOf(ask(bench))).toBe(false);
  });

  it("when the index cannot be read: the cache is a hint, not a reason to fail", async () => {
    const bench = openCached();
    await ask(bench);
    Object.defineProperty(bench, "revision", { get: () => { throw new TypeError("no answer"); } });
    expect(await cachedOf(ask(bench))).toBe(false);
  });
});

it.each([-0.1, 1.1, Number.NaN, Number.POSITIVE_INFINITY])("a threshold of %s is BAD_USER_INPUT before anything is spent", async (cacheSimilarity) => {
  const bench = openCached();
  await expect(ask(bench, { cacheSimilarity })).rejects.toMatchObject({ code: "BAD_USER_INPUT", details: { field: "cacheSimilarity" } });
  expect(bench.ledger.rows).toEqual([]);
});
