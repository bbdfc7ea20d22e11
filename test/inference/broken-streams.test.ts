import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { CompletionEvent, CompletionRequest } from "../../src/inference/inference-backend.js";
import { OpenAiChat, type OpenAiChatOptions } from "../../src/inference/openai-chat.js";
import { LazyTokenCounter } from "../../src/inference/token-counter.js";
import { BulkheadError } from "../../src/kernel/errors.js";
import { stolenAnswer, type Misbehaviour } from "../support/misbehave.js";
import { startStubModelServer, type StubModelServer } from "../support/stub-model-server.js";

const counter = new LazyTokenCounter();
/** For what must be found silent; all else has time, also on a busy machine. */
const limitMs = 150;
const patientMs = 5_000;
let server: StubModelServer;
beforeAll(async () => {
  [server] = await Promise.all([startStubModelServer(), counter.load()]);
});
afterAll(() => server.close());
beforeEach(() => server.behave("ok"));

const request: CompletionRequest = { model: "m", question: "What is the notice period?", history: [], passages: [], maxTokens: 64, userTag: "tag_x", canary: "kcanary" };

function open(baseUrl = server.baseUrl, timeouts: OpenAiChatOptions["timeouts"] = {}): OpenAiChat {
  return new OpenAiChat({ baseUrl, apiKey: "key-1", models: ["m"], timeouts: { connectMs: patientMs, firstByteMs: patientMs, idleMs: patientMs, ...timeouts } }, counter);
}

interface Outcome {
  readonly text: string;
  readonly events: readonly CompletionEvent[];
  readonly error: unknown;
}

async function run(chat = open(), signal = new AbortController().signal): Promise<Outcome> {
  const events: CompletionEvent[] = [];
  let error: unknown;
  try {
    for await (const event of chat.complete(request, signal)) events.push(event);
  } catch (thrown) {
    error = thrown;
  }
  return { text: events.map((event) => (event.kind === "DELTA" ? event.text : "")).join(""), events, error };
}

describe("a stream that breaks ends typed, without an end of its own, and its connection is closed", () => {
  it.each<[Misbehaviour, string, string, string]>([
    ["half-open", "STREAM_STALLED", "STALLED", ""],
    ["half-open-headers", "STREAM_STALLED", "STALLED", ""],
    ["half-open-words", "STREAM_STALLED", "STALLED", "The notice"],
    ["no-done", "STREAM_TRUNCATED", "TRUNCATED", "The notice"],
    ["cut", "STREAM_TRUNCATED", "TRUNCATED", "The notice"],
    ["reset", "UPSTREAM_FAILED", "RESET", "The notice"],
    ["reset-at-once", "UPSTREAM_FAILED", "UNREACHABLE", ""],
    ["bad-line", "UPSTREAM_FAILED", "MALFORMED", "The"],
    ["bad-utf8", "UPSTREAM_FAILED", "MALFORMED", ""],
    ["bad-chunking", "UPSTREAM_FAILED", "MALFORMED", ""],
    ["not-a-chunk", "UPSTREAM_FAILED", "MALFORMED", "The"],
    ["error-event", "UPSTREAM_FAILED", "REPORTED", "The notice"],
    ["content-filter", "UPSTREAM_FAILED", "WITHHELD", "The notice"],
    ["10mb-line", "UPSTREAM_FAILED", "MALFORMED", "The"],
    ["10mb-event", "UPSTREAM_FAILED", "MALFORMED", "The"],
    ["10mb-bytes-apart", "UPSTREAM_FAILED", "MALFORMED", ""],
    ["slow-loris", "STREAM_STALLED", "STALLED", "The"],
    ["gzip-garbage", "UPSTREAM_FAILED", "NOT_A_STREAM", ""],
    ["gzip-lie", "UPSTREAM_FAILED", "NOT_A_STREAM", ""],
    ["json-200", "UPSTREAM_FAILED", "NOT_A_STREAM", ""],
    ["endless-headers", "UPSTREAM_FAILED", "MALFORMED", ""],
    ["endless-early-hints", "STREAM_STALLED", "STALLED", ""],
    ["not-http", "UPSTREAM_FAILED", "MALFORMED", ""],
    ["http-400", "UPSTREAM_FAILED", "REFUSED", ""],
    ["http-401", "UPSTREAM_FAILED", "MISCONFIGURED", ""],
    ["http-429", "UPSTREAM_FAILED", "RATE_LIMITED", ""],
    ["http-503", "UPSTREAM_FAILED", "SERVER_ERROR", ""],
  ])("%s: %s", async (behaviour, code, kind, text) => {
    server.behave(behaviour);
    const outcome = await run(open(undefined, kind !== "STALLED" ? {} : text === "" ? { firstByteMs: limitMs } : { idleMs: limitMs }));
    expect(outcome.error).toMatchObject({ code, kind });
    expect(outcome.text).toBe(text);
    expect(outcome.events.filter((event) => event.kind === "DONE")).toEqual([]);
    expect(String(outcome.error)).not.toContain("secret");
    await expect.poll(() => server.open(), { interval: 5 }).toBe(0);
  });

  it("comments alone are a sign of life, and end with the request's deadline", async () => {
    server.behave("endless-comments");
    const gone = new AbortController();
    const reason = new BulkheadError("DEADLINE_EXCEEDED", "Over");
    setTimeout(() => gone.abort(reason), 3 * limitMs);
    expect((await run(open(undefined, { firstByteMs: patientMs, idleMs: limitMs }), gone.signal)).error).toBe(reason);
  });

  it("a server that takes no connection: UPSTREAM_FAILED within the time to connect", async () => {
    // A documentation address (RFC 5737) that no network routes; where it is refused at once, that is the same failure.
    expect((await run(open("http://192.0.2.1:9/v1", { connectMs: limitMs }))).error).toMatchObject({ code: "UPSTREAM_FAILED", kind: "UNREACHABLE" });
  });

  it("tells what it has cost by the provider's own word before it fails", async () => {
    server.behave("error-with-usage");
    expect((await run()).events).toEqual([{ kind: "USAGE", usage: { promptTokens: 50, completionTokens: 2 } }]);
    server.behave("usage-then-cut");
    expect((await run()).events.at(-1)).toEqual({ kind: "USAGE", usage: { promptTokens: 50, completionTokens: 2 } });
  });
});

describe("a stream that is only strange is whole", () => {
  it("in single bytes", async () => {
    server.behave("byte-by-byte");
    const { text, events } = await run();
    expect(text).toBe("The notice period is six weeks [1].");
    expect(events.at(-1)).toMatchObject({ kind: "DONE" });
  });

  it("with characters split anywhere", async () => {
    server.behave("split-utf8", "Größe: 3 µm, 100 €.");
    expect((await run()).text).toBe("Grüße 👩‍👩‍👧 an 東京 Größe: 3 µm, 100 €.");
  });

  it("that goes on after its end: what follows is not heard, and the connection is given up", async () => {
    server.behave("endless-after-done");
    const { text, error } = await run();
    expect(error).toBeUndefined();
    expect(text).toBe("The notice period is six weeks [1].");
    await expect.poll(() => server.open(), { timeout: 5_000 }).toBe(0);
  });
});

describe("a redirect", () => {
  it("is never followed: neither the prompt nor the key goes to another place", async () => {
    server.behave("redirect");
    const before = server.requests.length;
    expect((await run()).error).toMatchObject({ code: "UPSTREAM_FAILED", kind: "REDIRECTED" });
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(server.requests.slice(before).map(({ path }) => path)).toEqual(["/v1/chat/completions"]);
  });
});

describe("a caller that goes away", () => {
  it.each<[Misbehaviour | "slow"]>([["half-open"], ["half-open-headers"], ["half-open-words"], ["slow-loris"], ["endless-comments"], ["slow"]])("during %s has its connection closed for that alone", async (behaviour) => {
    server.behave(behaviour, "word ".repeat(200));
    const gone = new AbortController();
    const reason = new BulkheadError("DEADLINE_EXCEEDED", "Gone");
    // No timer of ours fires within a minute: what closes the connection is the signal.
    const patient = new OpenAiChat({ baseUrl: server.baseUrl, models: ["m"], timeouts: { connectMs: 60_000, firstByteMs: 60_000, idleMs: 60_000 } }, counter);
    const running = run(patient, gone.signal);
    await expect.poll(() => server.open(), { interval: 5 }).toBe(1);
    await new Promise((resolve) => setTimeout(resolve, 30));
    gone.abort(reason);
    expect((await running).error).toBe(reason);
    await expect.poll(() => server.open(), { interval: 5 }).toBe(0);
  });

  it("before it is asked is not asked for", async () => {
    const before = server.requests.length;
    const reason = new BulkheadError("DEADLINE_EXCEEDED", "Gone");
    expect((await run(open(), AbortSignal.abort(reason))).error).toBe(reason);
    expect(server.requests).toHaveLength(before);
  });
});

async function ask(chat: OpenAiChat, tenant: string, signal = new AbortController().signal): Promise<string> {
  let text = "";
  for await (const event of chat.complete({ ...request, question: tenant, userTag: tenant }, signal)) if (event.kind === "DELTA") text += event.text;
  return text;
}

describe("one connection that many tenants use", () => {
  it("is kept between calls that ended well", async () => {
    const chat = open();
    const before = server.connections();
    for (const tenant of ["a", "b", "c"]) {
      await ask(chat, tenant);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    expect(server.connections() - before).toBe(1);
  });

  it.each<[Misbehaviour]>([["double-answer"], ["late-answer"]])("hands nobody an answer that was not asked for (%s)", async (behaviour) => {
    const chat = open();
    server.next(behaviour);
    const texts = [await ask(chat, "first").catch((error: BulkheadError) => error.code)];
    await new Promise((resolve) => setTimeout(resolve, 60));
    for (const tenant of ["second", "third"]) texts.push(await ask(chat, tenant));
    expect(texts.slice(1)).toEqual(["The notice period is six weeks [1].", "The notice period is six weeks [1]."]);
    expect(texts).not.toContain(stolenAnswer);
  });

  it("gives each caller its own answer, whoever hangs up at whatever moment", async () => {
    const chat = open();
    server.answerWith(({ body }) => `For ${body.user} and nobody else, word by word, said.`);
    const wrong: string[] = [];
    let whole = 0;
    let seed = 7;
    const random = (): number => (seed = (seed * 48_271) % 2_147_483_647) / 2_147_483_647;
    const caller = async (lane: number): Promise<void> => {
      for (let n = 0; n < 40; n += 1) {
        const tenant = `t${lane}-${n}`;
        const gone = new AbortController();
        const timer = random() < 0.6 ? setTimeout(() => gone.abort(new BulkheadError("DEADLINE_EXCEEDED", "Gone")), random() * 6) : undefined;
        let text = "";
        try {
          for await (const event of chat.complete({ ...request, question: tenant, userTag: tenant }, gone.signal)) if (event.kind === "DELTA") text += event.text;
          whole += 1;
          if (text !== `For ${tenant} and nobody else, word by word, said.`) wrong.push(`${tenant}: ${text}`);
        } catch {
          if (!`For ${tenant} and nobody else, word by word, said.`.startsWith(text)) wrong.push(`${tenant}: ${text}`);
        }
        clearTimeout(timer);
      }
    };
    await Promise.all([0, 1, 2, 3].map(caller));
    server.answerWith(undefined);
    expect(wrong).toEqual([]);
    expect(whole).toBeGreaterThan(40);
    expect(whole).toBeLessThan(160);
  });
});
