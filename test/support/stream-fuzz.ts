/** Damages the bytes of a model's answer and looks at what is made of them: nothing may hang, and nothing damaged may count as whole. */
import { request as httpRequest } from "node:http";
import { Duplex } from "node:stream";
import type { CompletionRequest } from "../../src/inference/inference-backend.js";
import { OpenAiChat } from "../../src/inference/openai-chat.js";
import { BulkheadError } from "../../src/kernel/errors.js";
import { referenceAnswer } from "./reference-answer.js";

export interface FuzzReport {
  readonly runs: number;
  /** Damaged, and whole all the same: a comment was hit, or something after the end. */
  readonly whole: number;
  readonly codes: ReadonlyMap<string, number>;
  /** What must not be, with the seed that shows it again. */
  readonly faults: readonly string[];
}

/** More than any damage needs, on any machine: what takes longer hangs. */
const hangMs = 10_000;
const faultsMax = 5;

const chunk = (delta: object, finish: string | null = null): string => JSON.stringify({ id: "chatcmpl-1", object: "chat.completion.chunk", choices: [{ index: 0, delta, finish_reason: finish }] });
const usage = JSON.stringify({ choices: [], usage: { prompt_tokens: 12, completion_tokens: 5, prompt_tokens_details: { cached_tokens: 4 } } });
const bodies = [
  `data: ${chunk({ role: "assistant", content: "" })}\n\ndata: ${chunk({ content: "Six" })}\n\ndata: ${chunk({ content: " weeks [1]." })}\n\ndata: ${chunk({}, "stop")}\n\ndata: ${usage}\n\ndata: [DONE]\n\n`,
  `: keep-alive\r\n\r\ndata:${chunk({ content: "Grüße 👩‍👩‍👧 " })}\r\n\r\n: still here\r\n\r\ndata: ${chunk({ content: "aus 東京" })}\r\n\r\ndata: ${chunk({}, "length")}\r\n\r\ndata: [DONE]\r\n\r\n`,
  `data: ${chunk({ content: "Six" })}\n\nevent: error\ndata: ${chunk({ content: " days" })}\n\ndata: [DONE]\n\n`,
  `event: message\nid: 1\nretry: 100\ndata: {"choices":[{"index":0,\ndata: "delta":{"content":"over two lines"}}]}\n\ndata: ${chunk({ refusal: "No." }, "stop")}\n\ndata: [DONE]\n\n`,
] as const;

const dictionary = ["data: [DONE]\n\n", "data: [DONE]", "[DONE]", "\n\n", "\n", "\r", "\r\n\r\n", ":", "data", "data:", "event: error\n", "null", "{}", "[", "]", "}", '"', "\\", '"error":{"message":"x"},', '"finish_reason":"stop"', '"choices":null', "\u0000", "\ufeff", "\ud83d", "👩", "1e999", "<html>", "0\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n"];

const request: CompletionRequest = { model: "m", question: "?", history: [], passages: [], maxTokens: 100_000, userTag: "t", canary: "c" };
const counter = { count: (text: string): number => text.length };
const head = (more: string): string => `HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n${more}\r\n\r\n`;

export async function fuzzStreams(runs: number, seed: number): Promise<FuzzReport> {
  const codes = new Map<string, number>();
  const faults: string[] = [];
  let whole = 0;
  for (let n = 0; n < runs && faults.length < faultsMax; n += 1) {
    const random = randomOf(seed + n);
    const body = mutate(Buffer.from(bodies[below(random, bodies.length)] ?? bodies[0]), random);
    const { wire, said } = framed(body, random);
    const outcome = await readAnswer(wire, random);
    const fault = faultOf(outcome, wire, said);
    if (fault !== undefined) faults.push(`seed ${seed + n}: ${fault}: ${JSON.stringify(wire.toString("latin1"))}`);
    if (outcome.kind === "WHOLE") whole += 1;
    const code = outcome.kind === "FAILED" && outcome.error instanceof BulkheadError ? outcome.error.code : outcome.kind;
    codes.set(code, (codes.get(code) ?? 0) + 1);
  }
  return { runs, whole, codes, faults };
}

type Outcome = { readonly kind: "WHOLE"; readonly text: string } | { readonly kind: "FAILED"; readonly error: unknown } | { readonly kind: "HUNG" };

/** The bytes of a response that carries `body`; `said` is what a reader of HTTP makes of them, undefined where the head is damaged and nobody can tell. */
function framed(body: Buffer, random: () => number): { readonly wire: Buffer; readonly said: Buffer | undefined } {
  const how = random();
  if (how < 0.5) return { wire: Buffer.concat([Buffer.from(head(random() < 0.5 ? `content-length: ${body.length}` : "connection: close")), body]), said: body };
  const chunked = chunkedOf(body, random);
  const chunkedHead = Buffer.from(head("transfer-encoding: chunked"));
  if (how < 0.6) return { wire: mutate(Buffer.concat([chunkedHead, chunked]), random), said: undefined };
  const damaged = how < 0.8 ? mutate(chunked, random) : chunked;
  return { wire: Buffer.concat([chunkedHead, damaged]), said: unchunked(damaged) };
}

function faultOf(outcome: Outcome, wire: Buffer, said: Buffer | undefined): string | undefined {
  if (outcome.kind === "HUNG") return "it hangs";
  if (outcome.kind === "FAILED") return outcome.error instanceof BulkheadError && outcome.error.code !== "INTERNAL" ? undefined : `an error without a type (${String(outcome.error)})`;
  // The end itself can lie across two chunks.
  if (said === undefined) return wire.toString("latin1").replaceAll(/\r\n[0-9a-f]+\r\n/giu, "").includes("[DONE]") ? undefined : "whole without an end";
  const expected = referenceAnswer(said);
  if (expected === undefined) return "whole, though it is not";
  return expected === outcome.text ? undefined : `the text ${JSON.stringify(outcome.text)} instead of ${JSON.stringify(expected)}`;
}

async function readAnswer(wire: Buffer, random: () => number): Promise<Outcome> {
  const connections = {
    isTls: false,
    post: (body: string) => httpRequest({ method: "POST", createConnection: () => new Wire(wire, random) as never }).end(body),
    close: () => undefined,
  };
  const chat = new OpenAiChat({ baseUrl: "http://fuzz.invalid", models: ["m"], timeouts: { connectMs: hangMs * 2, firstByteMs: hangMs * 2, idleMs: hangMs * 2 } }, counter, connections);
  let timer: NodeJS.Timeout | undefined;
  const hung = new Promise<Outcome>((resolve) => (timer = setTimeout(() => resolve({ kind: "HUNG" }), hangMs)));
  try {
    return await Promise.race([hung, collect(chat)]);
  } finally {
    clearTimeout(timer);
  }
}

async function collect(chat: OpenAiChat): Promise<Outcome> {
  let text = "";
  let isWhole = false;
  try {
    for await (const event of chat.complete(request, new AbortController().signal)) {
      if (event.kind === "DELTA") text += event.text;
      isWhole = event.kind === "DONE";
    }
    return isWhole ? { kind: "WHOLE", text } : { kind: "FAILED", error: undefined };
  } catch (error) {
    return { kind: "FAILED", error };
  }
}

/** A connection whose other side sends given bytes in pieces, and then closes it. */
class Wire extends Duplex {
  #isAsked = false;

  constructor(private readonly bytes: Buffer, private readonly random: () => number) {
    super();
    process.nextTick(() => this.emit("connect"));
  }

  override _read(): void {}

  override _write(_chunk: unknown, _encoding: unknown, done: () => void): void {
    done();
    if (this.#isAsked) return;
    this.#isAsked = true;
    this.#send(0);
  }

  #send(from: number): void {
    if (this.destroyed) return;
    if (from >= this.bytes.length) return void this.push(null);
    const to = this.random() < 0.3 ? this.bytes.length : from + 1 + below(this.random, 200);
    this.push(this.bytes.subarray(from, to));
    setImmediate(() => this.#send(to));
  }
}

function chunkedOf(body: Buffer, random: () => number): Buffer {
  const parts: Buffer[] = [];
  for (let from = 0; from < body.length; ) {
    const part = body.subarray(from, from + 1 + below(random, 120));
    parts.push(Buffer.from(`${part.length.toString(16)}\r\n`), part, Buffer.from("\r\n"));
    from += part.length;
  }
  return Buffer.concat([...parts, Buffer.from("0\r\n\r\n")]);
}

/** The bytes of all chunks up to the first that is none (RFC 9112, 7.1). */
function unchunked(bytes: Buffer): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; ; ) {
    const size = /^([0-9a-f]{1,8})(?:;[^\r\n]*)?\r\n/iu.exec(bytes.subarray(at, at + 200).toString("latin1"));
    const length = Number.parseInt(size?.[1] ?? "0", 16);
    if (size === null || length === 0) return Buffer.concat(parts);
    const from = at + size[0].length;
    parts.push(bytes.subarray(from, from + length));
    if (bytes.subarray(from + length, from + length + 2).toString("latin1") !== "\r\n") return Buffer.concat(parts);
    at = from + length + 2;
  }
}

function mutate(bytes: Buffer, random: () => number): Buffer {
  let mutated = bytes;
  for (let left = 1 + below(random, 3); left > 0; left -= 1) {
    const at = below(random, mutated.length + 1);
    const to = Math.min(mutated.length, at + 1 + below(random, random() < 0.5 ? 3 : 60));
    const [before, hit, after] = [mutated.subarray(0, at), mutated.subarray(at, to), mutated.subarray(to)];
    const word = Buffer.from(dictionary[below(random, dictionary.length)] ?? "");
    const how = below(random, 7);
    if (how === 0) mutated = Buffer.concat([before, Buffer.from(hit.map((byte) => byte ^ (1 << below(random, 8)))), after]);
    else if (how === 1) mutated = Buffer.concat([before, after]);
    else if (how === 2) mutated = Buffer.concat([before, hit, hit, after]);
    else if (how === 3) mutated = before;
    else if (how === 4) mutated = Buffer.concat([before, word, hit, after]);
    else if (how === 5) mutated = Buffer.concat([before, word, after]);
    else mutated = Buffer.concat([before, Buffer.from(hit.map(() => below(random, 256))), after]);
  }
  return mutated;
}

function below(random: () => number, bound: number): number {
  return Math.floor(random() * bound);
}

/** mulberry32: the same numbers for the same seed, so that a fault can be shown again. */
function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
