import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { isMisbehaviour, misbehave, type Misbehaviour } from "./misbehave.js";

/** What the stub does with the next requests. */
export type StubBehaviour =
  | "ok"
  | "slow"
  | "down"
  | "html"
  | "truncated"
  | "error-in-stream"
  | "missing-usage"
  | "zero-usage"
  | "cached-usage"
  | "endless"
  | "length"
  | "long-line"
  | "not-json"
  | "silent"
  | "http-error"
  | Misbehaviour;

export interface StubRequest {
  readonly path: string;
  readonly authorization: string | undefined;
  readonly traceparent: string | undefined;
  readonly body: {
    readonly model: string;
    readonly messages: readonly { readonly role: string; readonly content: string }[];
    readonly max_tokens: number;
    readonly stream: boolean;
    readonly stream_options?: { readonly include_usage: boolean };
    readonly user: string;
    readonly cache_salt?: string;
  };
}

export interface StubModelServer {
  readonly baseUrl: string;
  readonly requests: readonly StubRequest[];
  /** Answers whose connection the client closed before the end. */
  readonly dropped: () => number;
  /** Connections taken since the start. */
  readonly connections: () => number;
  /** Requests that are being answered. */
  readonly running: () => number;
  /** Empties `requests`, and what `next` said. */
  forget(): void;
  /** Connections that are open. */
  readonly open: () => number;
  behave(behaviour: StubBehaviour, answer?: string): void;
  /** What the very next requests get, one each; after them what `behave` said. */
  next(...behaviours: readonly StubBehaviour[]): void;
  /** Sent with HTTP 429 and 503. */
  retryAfter: string | undefined;
  /** Answers with what this makes of a request, instead of the set answer. */
  answerWith(make: ((request: StubRequest) => string) | undefined): void;
  close(): Promise<void>;
}

const slowMs = 40;

/** An OpenAI-compatible model on loopback that behaves as it is told. */
export async function startStubModelServer(): Promise<StubModelServer> {
  const state = { behaviour: "ok" as StubBehaviour, answer: "The notice period is six weeks [1].", dropped: 0, connections: 0, open: 0, running: 0, next: [] as StubBehaviour[], make: undefined as ((request: StubRequest) => string) | undefined };
  const requests: StubRequest[] = [];
  const server = createServer((request, response) => {
    void readBody(request).then((text) => {
      const told: StubRequest = { path: request.url ?? "", authorization: request.headers.authorization, traceparent: request.headers["traceparent"]?.toString(), body: JSON.parse(text) as StubRequest["body"] };
      requests.push(told);
      state.running += 1;
      response.on("close", () => {
        state.running -= 1;
        if (!response.writableFinished) state.dropped += 1;
      });
      const behaviour = state.next.shift() ?? state.behaviour;
      const answer = state.make?.(told) ?? state.answer;
      if (isMisbehaviour(behaviour)) return misbehave(response, behaviour, { answer, redirectTo: `http://127.0.0.1:${port}/redirected`, ...(stub.retryAfter === undefined ? {} : { retryAfter: stub.retryAfter }) });
      return reply(response, behaviour, answer);
    });
  });
  server.on("connection", (socket) => {
    state.connections += 1;
    state.open += 1;
    socket.on("close", () => (state.open -= 1)).on("error", () => undefined);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const stub: StubModelServer = {
    baseUrl: `http://127.0.0.1:${port}/v1`,
    requests,
    dropped: () => state.dropped,
    connections: () => state.connections,
    open: () => state.open,
    running: () => state.running,
    forget() {
      requests.length = 0;
      state.next.length = 0;
    },
    retryAfter: undefined,
    next: (...behaviours) => void state.next.push(...behaviours),
    answerWith: (make) => void (state.make = make),
    behave(behaviour, answer = "The notice period is six weeks [1].") {
      state.behaviour = behaviour;
      state.answer = answer;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return stub;
}

async function readBody(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  return Buffer.concat(parts).toString();
}

type Behaviour = Exclude<StubBehaviour, Misbehaviour>;

async function reply(response: ServerResponse, behaviour: Behaviour, answer: string): Promise<void> {
  if (behaviour === "down") return void response.destroy();
  if (behaviour === "silent") return;
  if (behaviour === "html") return void response.writeHead(200, { "content-type": "text/html" }).end("<html>Sign in</html>");
  if (behaviour === "http-error") return void response.writeHead(500, { "content-type": "application/json" }).end('{"error":{"message":"secret of the provider"}}');
  response.writeHead(200, { "content-type": "text/event-stream" });
  await stream(response, behaviour, answer);
}

async function stream(response: ServerResponse, behaviour: Behaviour, answer: string): Promise<void> {
  if (behaviour === "long-line") return void response.end(`data: ${"x".repeat(1_100_000)}\n\n`);
  if (behaviour === "endless") return writeOn(response);
  const words = answer.match(/\s*\S+/gu) ?? [];
  for (const [at, word] of words.entries()) {
    if (response.destroyed) return;
    send(response, { choices: [{ index: 0, delta: { content: word }, finish_reason: null }] });
    if (behaviour === "slow") await new Promise((resolve) => setTimeout(resolve, slowMs));
    if (at !== 1) continue;
    if (behaviour === "truncated") return void response.end();
    if (behaviour === "error-in-stream") return void response.end(`data: ${JSON.stringify({ error: { message: "secret of the provider" } })}\n\n`);
    if (behaviour === "not-json") return void response.end("data: {not json\n\n");
  }
  send(response, { choices: [{ index: 0, delta: {}, finish_reason: behaviour === "length" ? "length" : "stop" }] });
  if (behaviour !== "missing-usage") send(response, { choices: [], usage: usageOf(behaviour, words.length) });
  response.end("data: [DONE]\n\n");
}

async function writeOn(response: ServerResponse): Promise<void> {
  while (!response.destroyed) {
    send(response, { choices: [{ index: 0, delta: { content: " and so on" }, finish_reason: null }] });
    await new Promise((resolve) => setImmediate(resolve));
  }
}

function usageOf(behaviour: Behaviour, words: number): object {
  if (behaviour === "zero-usage") return { prompt_tokens: 0, completion_tokens: 0 };
  return { prompt_tokens: 123, completion_tokens: words, ...(behaviour === "cached-usage" ? { prompt_tokens_details: { cached_tokens: 100 } } : {}) };
}

function send(response: ServerResponse, frame: unknown): void {
  response.write(`data: ${JSON.stringify(frame)}\n\n`);
}
