import type { ServerResponse } from "node:http";
import type { Socket } from "node:net";

/** Ways in which a model's server breaks, over a real socket. Those that begin an answer say "The notice" first. */
export const misbehaviours = [
  "half-open",
  "half-open-headers",
  "half-open-words",
  "no-done",
  "cut",
  "reset",
  "reset-at-once",
  "bad-line",
  "bad-utf8",
  "bad-chunking",
  "not-a-chunk",
  "error-event",
  "error-with-usage",
  "usage-then-cut",
  "content-filter",
  "10mb-line",
  "10mb-event",
  "10mb-bytes-apart",
  "split-utf8",
  "byte-by-byte",
  "slow-loris",
  "endless-comments",
  "gzip-garbage",
  "gzip-lie",
  "json-200",
  "redirect",
  "endless-headers",
  "endless-early-hints",
  "not-http",
  "endless-after-done",
  "double-answer",
  "late-answer",
  "http-400",
  "http-401",
  "http-408",
  "http-409",
  "http-429",
  "http-503",
] as const;
export type Misbehaviour = (typeof misbehaviours)[number];

export function isMisbehaviour(name: string): name is Misbehaviour {
  return (misbehaviours as readonly string[]).includes(name);
}

export interface MisbehaveOptions {
  readonly answer: string;
  /** Sent with HTTP 429 and 503. */
  readonly retryAfter?: string;
  /** Where a redirect leads. */
  readonly redirectTo: string;
}

export const stolenAnswer = "The salary of Mr. Vogel is 91,000.";

export function chunkOf(text: string): string {
  return `data: ${JSON.stringify({ choices: [{ index: 0, delta: { content: text }, finish_reason: null }] })}\n\n`;
}

const usage = { prompt_tokens: 50, completion_tokens: 2 };
const ending = `data: ${JSON.stringify({ choices: [{ index: 0, delta: {}, finish_reason: "stop" }] })}\n\ndata: ${JSON.stringify({ choices: [], usage })}\n\ndata: [DONE]\n\n`;

export async function misbehave(response: ServerResponse, how: Misbehaviour, options: MisbehaveOptions): Promise<void> {
  const socket = response.socket as Socket;
  const raw = (text: string): void => void socket.write(text);
  const begin = (...headers: string[]): void => raw(["HTTP/1.1 200 OK", "content-type: text/event-stream", ...headers, "", ""].join("\r\n"));
  const words = `${chunkOf("The")}${chunkOf(" notice")}`;
  const whole = `${chunkOf(options.answer)}${ending}`;
  switch (how) {
    case "half-open":
      return;
    case "half-open-headers":
      return begin();
    case "half-open-words":
      begin();
      return raw(words);
    case "no-done":
      begin("connection: close");
      return void socket.end(`${words}data: ${JSON.stringify({ choices: [{ index: 0, delta: {}, finish_reason: "stop" }] })}\n\n`);
    case "cut":
      begin("transfer-encoding: chunked");
      return void socket.end(chunked(words));
    case "reset":
      begin("transfer-encoding: chunked");
      raw(chunked(words));
      await pause(30);
      return void socket.resetAndDestroy();
    case "reset-at-once":
      return void socket.resetAndDestroy();
    case "bad-line":
      begin();
      return raw(`${chunkOf("The")}dota: {"choices":[{"delta":{"content":" not"}}]}\n\n${whole}`);
    case "bad-utf8":
      begin();
      socket.write(Buffer.concat([Buffer.from(`${chunkOf("The")}data: {"choices":[{"delta":{"content":"`), Buffer.from([0xc3, 0x28]), Buffer.from(`"}}]}\n\n${ending}`)]));
      return;
    case "bad-chunking":
      begin("transfer-encoding: chunked");
      return raw(`${chunked(words)}zz\r\n${whole}`);
    case "not-a-chunk":
      begin();
      return raw(`${chunkOf("The")}data: {"message":"secret of the provider"}\n\n${ending}`);
    case "error-event":
      begin();
      return raw(`${words}event: error\ndata: {"message":"secret of the provider"}\n\ndata: [DONE]\n\n`);
    case "error-with-usage":
      begin();
      return raw(`data: ${JSON.stringify({ choices: [], usage })}\n\ndata: {"error":{"message":"secret of the provider"}}\n\n`);
    case "usage-then-cut":
      begin("connection: close");
      return void socket.end(`${words}data: ${JSON.stringify({ choices: [], usage })}\n\n`);
    case "content-filter":
      begin("connection: close");
      return void socket.end(`${words}data: ${JSON.stringify({ choices: [{ index: 0, delta: {}, finish_reason: "content_filter" }] })}\n\ndata: [DONE]\n\n`);
    case "10mb-line":
      begin();
      return raw(`${chunkOf("The")}data: ${"x".repeat(10_000_000)}\n\n${ending}`);
    case "10mb-event":
      begin();
      return raw(`${chunkOf("The")}${`data: ${"x".repeat(1_000)}\n`.repeat(10_000)}\n${ending}`);
    case "10mb-bytes-apart":
      begin();
      for (let sent = 0; sent < 10_000_000 && !socket.destroyed; sent += 4_096) {
        raw("x".repeat(4_096));
        await new Promise((resolve) => setImmediate(resolve));
      }
      return;
    case "split-utf8":
    case "byte-by-byte":
      return byteByByte(socket, how === "split-utf8" ? `${chunkOf("Grüße 👩‍👩‍👧 an 東京 ")}${whole}` : whole);
    case "slow-loris":
      begin();
      raw(chunkOf("The"));
      for (const byte of `${whole.repeat(4)}`) {
        if (socket.destroyed) return;
        raw(byte);
        await pause(10);
      }
      return;
    case "endless-comments":
      begin();
      while (!socket.destroyed) {
        raw(": still here\n\n");
        await pause(10);
      }
      return;
    case "gzip-garbage":
      begin("content-encoding: gzip");
      return void socket.end(Buffer.from([0x1f, 0x8b, 8, 0, 0xff, 0xfe, 1, 2, 3, 4, 5, 6]));
    case "gzip-lie":
      begin("content-encoding: gzip");
      return raw(whole);
    case "json-200":
      return void response.writeHead(200, { "content-type": "application/json" }).end('{"error":{"message":"secret of the provider"}}');
    case "redirect":
      return void response.writeHead(307, { location: options.redirectTo }).end();
    case "endless-headers":
      raw("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n");
      for (let n = 0; !socket.destroyed; n += 1) {
        raw(`x-header-${n}: ${"y".repeat(100)}\r\n`);
        await pause(1);
      }
      return;
    case "endless-early-hints":
      while (!socket.destroyed) {
        raw("HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n");
        await pause(5);
      }
      return;
    case "not-http":
      return raw("SSH-2.0-OpenSSH_9.6\r\n");
    case "endless-after-done":
      begin("transfer-encoding: chunked");
      raw(chunked(whole));
      while (!socket.destroyed) {
        raw(chunked(chunkOf(stolenAnswer)));
        await pause(5);
      }
      return;
    case "double-answer": {
      const stolen = `${chunkOf(stolenAnswer)}${ending}`;
      const head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: ";
      return raw(`${head}${Buffer.byteLength(whole)}\r\n\r\n${whole}${head}${Buffer.byteLength(stolen)}\r\n\r\n${stolen}`);
    }
    case "late-answer": {
      const stolen = `${chunkOf(stolenAnswer)}${ending}`;
      const head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: ";
      raw(`${head}${Buffer.byteLength(whole)}\r\n\r\n${whole}`);
      await pause(20);
      return raw(`${head}${Buffer.byteLength(stolen)}\r\n\r\n${stolen}`);
    }
    case "http-400":
    case "http-401":
    case "http-408":
    case "http-409":
    case "http-429":
    case "http-503": {
      const headers = { "content-type": "application/json", ...(options.retryAfter === undefined ? {} : { "retry-after": options.retryAfter }) };
      return void response.writeHead(Number(how.slice(5)), headers).end('{"error":{"message":"secret of the provider"}}');
    }
  }
}

async function byteByByte(socket: Socket, body: string): Promise<void> {
  socket.setNoDelay(true);
  socket.write("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n");
  for (const byte of Buffer.from(body)) {
    socket.write(Buffer.of(byte));
    await new Promise((resolve) => setImmediate(resolve));
  }
  socket.end();
}

function chunked(body: string): string {
  return `${Buffer.byteLength(body).toString(16)}\r\n${body}\r\n`;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
