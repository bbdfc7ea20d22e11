/** A model server for benchmarks: an answer of some words after a fixed time, in a stream where one is asked for. */
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";

const words = "The notice period is six weeks to the end of the month and is given in writing to the employer".match(/\s*\S+/gu) ?? [];
const usage = { prompt_tokens: 60, completion_tokens: words.length, total_tokens: 60 + words.length };
const frame = (choice: object, more: object = {}): string => `data: ${JSON.stringify({ id: "chat-1", object: "chat.completion.chunk", model: "bench-model", choices: [{ index: 0, ...choice }], ...more })}\n\n`;
const first = frame({ delta: { role: "assistant", content: "" }, finish_reason: null });
const deltas = words.map((content) => frame({ delta: { content }, finish_reason: null }));
const last = `${frame({ delta: {}, finish_reason: "stop" })}data: ${JSON.stringify({ id: "chat-1", object: "chat.completion.chunk", model: "bench-model", choices: [], usage })}\n\ndata: [DONE]\n\n`;
const whole = JSON.stringify({ id: "chat-1", object: "chat.completion", model: "bench-model", choices: [{ index: 0, message: { role: "assistant", content: words.join("") }, finish_reason: "stop" }], usage });

const vector = JSON.stringify({ data: [{ index: 0, embedding: Array.from({ length: 512 }, (_, at) => Math.sin(at)) }], usage: { prompt_tokens: 8 } });

/** As answers differ in length. Calls of one length would all end together, which no model's do. */
const spread = 0.2;

/** `serviceMs`, more or less, pass before the first word; the rest comes at once, a frame a word. */
export async function startStubModel(serviceMs: number): Promise<{ readonly url: string }> {
  const server = createServer((request, response) => {
    const isEmbedding = request.url?.endsWith("/embeddings") === true;
    void text(request).then((body) => (isEmbedding ? respond(response, vector) : setTimeout(() => answer(response, (JSON.parse(body) as { stream?: boolean }).stream === true), serviceMs * (1 - spread + 2 * spread * Math.random()))));
  });
  server.keepAliveTimeout = 65_000;
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1` };
}

function answer(response: ServerResponse, isStream: boolean): void {
  if (!isStream) return respond(response, whole);
  response.writeHead(200, { "content-type": "text/event-stream" });
  response.write(first);
  for (const delta of deltas) response.write(delta);
  response.end(last);
}

function respond(response: ServerResponse, json: string): void {
  response.writeHead(200, { "content-type": "application/json" }).end(json);
}
