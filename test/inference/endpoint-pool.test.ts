import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { CompletionEvent, CompletionRequest } from "../../src/inference/inference-backend.js";
import type { InferencePool } from "../../src/inference/inference-pool.js";
import { openInferencePool } from "../../src/inference/open-inference-pool.js";
import { LazyTokenCounter } from "../../src/inference/token-counter.js";
import { BulkheadError } from "../../src/kernel/errors.js";
import { silentTelemetry, type Telemetry } from "../../src/kernel/telemetry.js";
import { tierPolicies } from "../metering/spend-fixtures.js";
import { startStubModelServer, type StubModelServer } from "../support/stub-model-server.js";

const counter = new LazyTokenCounter();
const stubs: StubModelServer[] = [];
const pools: InferencePool[] = [];
const counts = new Map<string, number>();
const telemetry: Telemetry = {
  ...silentTelemetry,
  count(name, labels = {}, by = 1) {
    const key = [name, ...Object.values(labels)].join(" ");
    counts.set(key, (counts.get(key) ?? 0) + by);
  },
};
let a: StubModelServer;
let b: StubModelServer;

beforeAll(async () => {
  stubs.push(await startStubModelServer(), await startStubModelServer());
  [a, b] = stubs as [StubModelServer, StubModelServer];
  await counter.load();
});
afterAll(() => Promise.all(stubs.map((stub) => stub.close())));
beforeEach(() => {
  counts.clear();
  for (const stub of stubs) {
    stub.behave("ok");
    stub.retryAfter = undefined;
    stub.forget();
  }
});
afterEach(() => pools.splice(0).forEach((pool) => pool.close()));

const dead = "http://127.0.0.1:1/v1";

interface Spec {
  readonly name: string;
  readonly baseUrl: string;
  readonly [field: string]: unknown;
}

/** What must be found silent in a test's time. All else has seconds, also on a busy machine. */
const soon = { timeouts: { firstByteMs: 250, idleMs: 250 } };

/** Without chance: no wait before a retry, and the first of equals. */
function open(...endpoints: Spec[]): InferencePool {
  return openWith(() => 0, ...endpoints);
}

function openWith(random: () => number, ...endpoints: Spec[]): InferencePool {
  const file = { models: [{ name: "embedded-extractive", kind: "EMBEDDED", contextTokens: 8_000 }], endpoints: endpoints.map((spec) => ({ models: ["m"], concurrency: 64, ...spec })) };
  const pool = openInferencePool({ file, keys: { A_API_KEY: "key-a", B_API_KEY: "key-b" }, random }, counter, telemetry);
  pools.push(pool);
  return pool;
}

const request: CompletionRequest = { model: "m", question: "What is the notice period?", history: [], passages: [], maxTokens: 64, userTag: "tag_x", cacheSalt: "salt_x", canary: "kcanary" };

interface Outcome {
  readonly text: string;
  readonly events: readonly CompletionEvent[];
  readonly error: unknown;
}

async function run(pool: InferencePool, more: Partial<CompletionRequest> = {}, signal = new AbortController().signal): Promise<Outcome> {
  const events: CompletionEvent[] = [];
  let error: unknown;
  try {
    const { backend } = pool.choose(tierPolicies.PRO, "m");
    for await (const event of backend.complete({ ...request, ...more }, signal)) events.push(event);
  } catch (thrown) {
    error = thrown;
  }
  return { text: events.map((event) => (event.kind === "DELTA" ? event.text : "")).join(""), events, error };
}

const isAnswer = ({ events }: Outcome): boolean => events.at(-1)?.kind === "DONE";

describe("a back end that fails before its first word", () => {
  it.each(["half-open", "reset-at-once", "html", "http-503", "http-429", "http-408", "http-409", "redirect", "not-http"] as const)("(%s) is answered for by another, at once", async (behaviour) => {
    const pool = open({ name: "a", baseUrl: a.baseUrl, ...soon }, { name: "b", baseUrl: b.baseUrl, priority: 1 });
    a.behave(behaviour);
    expect(isAnswer(await run(pool))).toBe(true);
    expect([a.requests.length, b.requests.length]).toEqual([1, 1]);
  });

  it.each(["http-400", "http-401"] as const)("(%s) is not asked again, nor is another: the call is at fault", async (behaviour) => {
    const pool = open({ name: "a", baseUrl: a.baseUrl }, { name: "b", baseUrl: b.baseUrl, priority: 1 });
    a.behave(behaviour);
    expect((await run(pool)).error).toMatchObject({ code: "UPSTREAM_FAILED", details: { retryable: false } });
    expect([a.requests.length, b.requests.length]).toEqual([1, 0]);
  });

  it("is asked again where there is no other, three times in all", async () => {
    const pool = open({ name: "a", baseUrl: a.baseUrl });
    a.next("http-503", "html");
    expect(isAnswer(await run(pool))).toBe(true);
    expect(a.requests).toHaveLength(3);
    a.behave("http-503");
    expect((await run(pool)).error).toMatchObject({ code: "UPSTREAM_FAILED" });
    expect(a.requests).toHaveLength(6);
  });

  it("by silence is not asked again: its own failure comes before the deadline's", async () => {
    const pool = open({ name: "a", baseUrl: a.baseUrl, ...soon });
    a.behave("half-open");
    expect((await run(pool)).error).toMatchObject({ code: "STREAM_STALLED" });
    expect(a.requests).toHaveLength(1);
  });

  it("after its first word is not answered for: words of two answers must not be joined", async () => {
    const pool = open({ name: "a", baseUrl: a.baseUrl, ...soon }, { name: "b", baseUrl: b.baseUrl, priority: 1 });
    for (const behaviour of ["half-open-words", "no-done", "cut", "reset", "error-in-stream", "not-json"] as const) {
      a.behave(behaviour);
      const { text, error } = await run(pool);
      expect(error).toBeInstanceOf(BulkheadError);
      expect(text).toBe("The notice");
    }
    expect(b.requests).toHaveLength(0);
  });

  it("is told of by its cost, which is the caller's, before another answers", async () => {
    const pool = open({ name: "a", baseUrl: a.baseUrl }, { name: "b", baseUrl: b.baseUrl, priority: 1 });
    a.behave("error-with-usage");
    const { events } = await run(pool);
    expect(events[0]).toEqual({ kind: "USAGE", usage: { promptTokens: 50, completionTokens: 2 } });
    expect(events.at(-1)).toMatchObject({ kind: "DONE", usage: { promptTokens: 123 } });
  });

  it("that closed a kept connection at the moment of its use is asked once more, free of the budget", async () => {
    const pool = open({ name: "a", baseUrl: a.baseUrl });
    for (let n = 0; n < 10; n += 1) {
      expect(isAnswer(await run(pool))).toBe(true);
      await new Promise((resolve) => setTimeout(resolve, 2));
      a.next("reset-at-once");
    }
    expect(counts.get("model_attempts_total a STALE_CONNECTION")).toBeGreaterThan(5);
    expect(counts.get("model_circuit_changes_total a OPEN")).toBeUndefined();
  });
});

describe("Retry-After", () => {
  it("is waited for, where no other back end is there", async () => {
    const pool = open({ name: "a", baseUrl: a.baseUrl });
    a.retryAfter = "1";
    a.next("http-429");
    const startedAt = performance.now();
    expect(isAnswer(await run(pool))).toBe(true);
    expect(performance.now() - startedAt).toBeGreaterThan(990);
    expect(a.requests).toHaveLength(2);
  });

  it("beyond the deadline ends the call at once, and the caller hears how long", async () => {
    const pool = open({ name: "a", baseUrl: a.baseUrl });
    a.retryAfter = "20";
    a.behave("http-503");
    const { error } = await run(pool, { endsAt: performance.now() + 10_000 });
    expect(error).toMatchObject({ code: "UPSTREAM_FAILED", details: { retryAfterMs: 20_000 } });
    expect(a.requests).toHaveLength(1);
  });

  it("holds for every caller: nobody asks before its time", async () => {
    const pool = open({ name: "a", baseUrl: a.baseUrl }, { name: "b", baseUrl: b.baseUrl, priority: 1 });
    a.retryAfter = "30";
    a.next("http-429");
    for (let n = 0; n < 5; n += 1) expect(isAnswer(await run(pool))).toBe(true);
    expect([a.requests.length, b.requests.length]).toEqual([1, 5]);
  });
});

describe("the choice of a back end", () => {
  it("is by priority, and by weight within one", async () => {
    const pool = openWith(Math.random, { name: "a", baseUrl: a.baseUrl, weight: 3 }, { name: "b", baseUrl: b.baseUrl, weight: 1 }, { name: "late", baseUrl: dead, priority: 1 });
    for (let n = 0; n < 60; n += 1) await run(pool);
    expect(a.requests.length + b.requests.length).toBe(60);
    // Three in four. Less than 25 is six deviations from that.
    expect(a.requests.length).toBeGreaterThan(24);
    expect(b.requests.length).toBeGreaterThan(0);
  });

  it("never gives a back end more calls at one time than it takes: the next one gets them, and then they wait", async () => {
    const pool = open({ name: "a", baseUrl: a.baseUrl, concurrency: 2 }, { name: "b", baseUrl: b.baseUrl, concurrency: 3, priority: 1 });
    const most = [0, 0];
    const watch = setInterval(() => [a, b].forEach((stub, at) => (most[at] = Math.max(most[at] ?? 0, stub.running()))), 1);
    a.behave("slow");
    b.behave("slow");
    const outcomes = await Promise.all(Array.from({ length: 15 }, () => run(pool)));
    clearInterval(watch);
    expect(outcomes.every(isAnswer)).toBe(true);
    expect(most).toEqual([2, 3]);
  });

  it("lets a caller who waits for a place go", async () => {
    const pool = open({ name: "a", baseUrl: a.baseUrl, concurrency: 1 });
    a.behave("slow", "word ".repeat(50));
    const first = new AbortController();
    const running = run(pool, {}, first.signal);
    await expect.poll(() => a.requests.length).toBe(1);
    const gone = new AbortController();
    const reason = new BulkheadError("DEADLINE_EXCEEDED", "Gone");
    const waiting = run(pool, {}, gone.signal);
    gone.abort(reason);
    expect((await waiting).error).toBe(reason);
    first.abort(reason);
    await running;
    a.behave("ok");
    expect(isAnswer(await run(pool))).toBe(true);
    expect(a.requests).toHaveLength(2);
  });

  it("asks each by its own key and its own name for the model, and salts the cache where told to", async () => {
    const pool = open({ name: "a", baseUrl: a.baseUrl, apiKeyEnv: "A_API_KEY", models: [{ name: "m", upstreamName: "org/m-turbo" }], cacheSalt: true }, { name: "b", baseUrl: b.baseUrl, apiKeyEnv: "B_API_KEY", priority: 1 });
    await run(pool);
    a.behave("http-503");
    await run(pool);
    expect(a.requests[0]).toMatchObject({ authorization: "Bearer key-a", body: { model: "org/m-turbo", cache_salt: "salt_x" } });
    expect(b.requests[0]).toMatchObject({ authorization: "Bearer key-b", body: { model: "m" } });
    expect(b.requests[0]?.body).not.toHaveProperty("cache_salt");
  });

  it("asks nobody when a salt is due and there is none: without it one tenant's prompt warms another's", async () => {
    const pool = open({ name: "a", baseUrl: a.baseUrl, cacheSalt: true });
    const { cacheSalt: _none, ...unsalted } = request;
    const backend = pool.choose(tierPolicies.PRO, "m").backend;
    await expect(backend.complete(unsalted, new AbortController().signal)[Symbol.asyncIterator]().next()).rejects.toMatchObject({ code: "INTERNAL" });
    expect(a.requests).toHaveLength(0);
  });
});

describe("a back end that goes on failing", () => {
  it("is not asked any more, so that callers no longer pay for it", async () => {
    const pool = open({ name: "a", baseUrl: a.baseUrl }, { name: "b", baseUrl: b.baseUrl, priority: 1 });
    a.behave("http-503");
    for (let n = 0; n < 30; n += 1) expect(isAnswer(await run(pool))).toBe(true);
    expect([a.requests.length, b.requests.length]).toEqual([5, 30]);
    expect(counts.get("model_circuit_changes_total a OPEN")).toBe(1);
    expect(counts.get("model_attempts_total a SERVER_ERROR")).toBe(5);
    expect(counts.get("model_attempts_total b OK")).toBe(30);
  });

  it("and breaks within its answers counts as failing too", async () => {
    const pool = open({ name: "a", baseUrl: a.baseUrl }, { name: "b", baseUrl: b.baseUrl, priority: 1 });
    a.behave("cut");
    for (let n = 0; n < 10; n += 1) await run(pool);
    expect([a.requests.length, b.requests.length]).toEqual([5, 5]);
  });

  it("and is the only one is asked by one call at a time; the others hear at once when to come back", async () => {
    const pool = open({ name: "a", baseUrl: a.baseUrl, ...soon });
    a.behave("html");
    for (let n = 0; n < 3; n += 1) await run(pool);
    a.behave("half-open");
    const outcomes = await Promise.all(Array.from({ length: 8 }, () => run(pool)));
    const errors = outcomes.map(({ error }) => error as BulkheadError);
    expect(errors.filter(({ code }) => code === "STREAM_STALLED")).toHaveLength(1);
    expect(errors.filter(({ code, details }) => code === "UPSTREAM_FAILED" && details.retryable === true && (details.retryAfterMs ?? 0) > 0)).toHaveLength(7);
    a.behave("ok");
    expect(isAnswer(await run(pool))).toBe(true);
    expect((await Promise.all(Array.from({ length: 8 }, () => run(pool)))).every(isAnswer)).toBe(true);
  });

  it("for one caller's prompts alone is shut out for nobody", async () => {
    const pool = open({ name: "a", baseUrl: a.baseUrl });
    for (const behaviour of ["http-400", "error-in-stream", "content-filter"] as const) {
      a.behave(behaviour);
      for (let n = 0; n < 12; n += 1) await run(pool);
    }
    a.behave("slow");
    expect((await Promise.all(Array.from({ length: 4 }, () => run(pool)))).every(isAnswer)).toBe(true);
    expect(counts.get("model_circuit_changes_total a OPEN")).toBeUndefined();
  });

  it("is not drowned in retries: at most one call in ten is one, beyond the first ten", async () => {
    const pool = open({ name: "a", baseUrl: a.baseUrl });
    a.behave("http-409");
    const calls = 40;
    await Promise.all(Array.from({ length: calls }, () => run(pool)));
    expect(a.requests.length).toBeLessThanOrEqual(calls * 1.1 + 10);
    expect(a.requests.length).toBeGreaterThan(calls);
    expect(counts.get("model_retries_refused_total a")).toBeGreaterThan(0);
  });

  it("by silence is found also when callers leave before it is overdue", async () => {
    const pool = open({ name: "a", baseUrl: a.baseUrl, ...soon }, { name: "b", baseUrl: b.baseUrl, priority: 1 });
    a.behave("half-open");
    for (let n = 0; n < 5; n += 1) {
      const gone = new AbortController();
      setTimeout(() => gone.abort(new BulkheadError("DEADLINE_EXCEEDED", "Gone")), 150);
      await run(pool, {}, gone.signal);
    }
    expect(isAnswer(await run(pool))).toBe(true);
    expect(a.requests).toHaveLength(5);
  });

  it("but callers who merely leave say nothing against it", async () => {
    const pool = open({ name: "a", baseUrl: a.baseUrl });
    a.behave("slow", "word ".repeat(50));
    for (let n = 0; n < 8; n += 1) {
      const gone = new AbortController();
      const running = run(pool, {}, gone.signal);
      await expect.poll(() => a.requests.length, { interval: 2 }).toBe(n + 1);
      gone.abort(new BulkheadError("DEADLINE_EXCEEDED", "Gone"));
      await running;
    }
    expect(counts.get("model_attempts_total a ABORTED")).toBe(8);
    expect(counts.get("model_circuit_changes_total a OPEN")).toBeUndefined();
  });
});
