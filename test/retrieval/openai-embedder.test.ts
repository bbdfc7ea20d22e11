import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { deadlineExceeded } from "../../src/kernel/errors.js";
import { OpenAiEmbedder } from "../../src/retrieval/embed/openai-embedder.js";

interface Seen { readonly url: string | undefined; readonly authorization: string | undefined; readonly body: Record<string, unknown> }

const never = new AbortController().signal;

type Reply = (inputs: readonly string[]) => { status?: number; body: string } | undefined;
const hang: Reply = () => undefined;
const data = (...embeddings: readonly (readonly [number, readonly number[]])[]): string =>
  JSON.stringify({ data: embeddings.map(([index, embedding]) => ({ index, embedding })), usage: { prompt_tokens: 9 } });

describe("OpenAiEmbedder", () => {
  let server: Server;
  let embedder: OpenAiEmbedder;
  let seen: Seen[] = [];
  let reply = hang;

  beforeAll(async () => {
    server = createServer((request, response) => {
      let text = "";
      request.on("data", (part: Buffer) => (text += part.toString()));
      request.on("end", () => {
        const body = JSON.parse(text) as Record<string, unknown>;
        seen.push({ url: request.url, authorization: request.headers.authorization, body });
        const answer = reply(body.input as readonly string[]);
        // No answer: the server hangs.
        if (answer !== undefined) response.writeHead(answer.status ?? 200, { "content-type": "application/json" }).end(answer.body);
      });
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    embedder = new OpenAiEmbedder({ baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/`, apiKey: "k-1", model: "m", dimensions: 2 });
  });
  beforeEach(() => {
    seen = [];
  });
  afterAll(() => {
    server.closeAllConnections();
    server.close();
  });

  it("asks for floats with the key, and gives vectors of length 1 in the order of the texts", async () => {
    reply = () => ({ body: data([1, [0, 2]], [0, [3, 4]]) });
    const { vectors, tokens } = await embedder.embed(["a", "b"], "INGEST", never);
    expect(seen).toEqual([{ url: "/v1/embeddings", authorization: "Bearer k-1", body: { model: "m", input: ["a", "b"], encoding_format: "float" } }]);
    expect(vectors.map((vector) => [...vector].map((value) => Math.round(value * 10) / 10))).toEqual([[0.6, 0.8], [0, 1]]);
    expect(tokens).toBe(9);
  });

  it.each([
    ["another number of dimensions", () => ({ body: data([0, [1, 2, 3]]) })],
    ["a vector too few", () => ({ body: data() })],
    ["the same index twice", () => ({ body: data([0, [1, 0]], [0, [1, 0]]) })],
    ["a vector of zeros", () => ({ body: data([0, [0, 0]]) })],
    ["base64 instead of floats", () => ({ body: JSON.stringify({ data: [{ index: 0, embedding: "AACAPw==" }] }) })],
    ["something that is not JSON", () => ({ body: "<html>" })],
    ["an error", () => ({ status: 500, body: "{}" })],
    ["too many requests", () => ({ status: 429, body: "{}" })],
  ])("fails with UPSTREAM_FAILED on %s, without asking again", async (_name, answer) => {
    reply = answer;
    await expect(embedder.embed(["a"], "QUESTION", never)).rejects.toMatchObject({ code: "UPSTREAM_FAILED" });
    expect(seen).toHaveLength(1);
  });

  it("never repeats the server's words, which may echo a tenant's text", async () => {
    reply = () => ({ status: 400, body: "the text 'salary of Ada' is too long" });
    const error = await embedder.embed(["salary of Ada"], "INGEST", never).catch((caught: Error) => caught);
    expect((error as Error).message).not.toContain("Ada");
  });

  it("fails with UPSTREAM_FAILED when nobody listens", async () => {
    const nobody = new OpenAiEmbedder({ baseUrl: "http://127.0.0.1:9", model: "m", dimensions: 2 });
    await expect(nobody.embed(["a"], "QUESTION", never)).rejects.toMatchObject({ code: "UPSTREAM_FAILED" });
  });

  it("ends with the deadline's own reason when the server hangs", async () => {
    reply = hang;
    const stop = new AbortController();
    setTimeout(() => stop.abort(deadlineExceeded(50)), 50);
    await expect(embedder.embed(["a"], "QUESTION", stop.signal)).rejects.toMatchObject({ code: "DEADLINE_EXCEEDED" });
  });
});
