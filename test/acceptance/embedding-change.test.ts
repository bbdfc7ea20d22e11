import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { listOf, TestServer, until } from "./server.js";

/** An OpenAI-compatible `/embeddings` whose vectors count letters: 26 dimensions, unlike the embedded model's 512. */
function startLetterEmbeddings(): Promise<Server> {
  const server = createServer((request, response) => {
    let body = "";
    request.setEncoding("utf8").on("data", (part: string) => (body += part));
    request.on("end", () => {
      const { input } = JSON.parse(body) as { input: string | string[] };
      const data = [input].flat().map((text, index) => ({ index, object: "embedding", embedding: Array.from({ length: 26 }, (_, letter) => 0.01 + text.toLowerCase().split(String.fromCharCode(97 + letter)).length - 1) }));
      response.setHeader("content-type", "application/json").end(JSON.stringify({ object: "list", model: "letters", data, usage: { prompt_tokens: 1, total_tokens: 1 } }));
    });
  }).listen(0, "127.0.0.1");
  return new Promise((resolve) => server.once("listening", () => resolve(server)));
}

let server: TestServer;
let embeddings: Server;
const admin = { tenant: "juniper" } as const;
const find = 'query { search(input: { query: "zebra quiz", mode: VECTOR }) { hits { document { title } } } }';

beforeAll(async () => {
  embeddings = await startLetterEmbeddings();
  server = await TestServer.start();
  await server.createTenant("juniper", "ENTERPRISE");
});
afterAll(async () => {
  await server.stop();
  embeddings.close();
});

test("after a change of the embedding model every document is embedded again, and no answer mixes two models", async () => {
  await server.ingest(admin, "Zebras", "Zebra quiz: how many zebras quiz a quiz.");
  await server.ingest(admin, "Apples", "An apple pan lapel appeal panel.");
  const { port } = embeddings.address() as AddressInfo;
  await server.restart({ EMBEDDING_BASE_URL: `http://127.0.0.1:${port}/v1`, EMBEDDING_MODEL: "letters", EMBEDDING_DIMENSIONS: "26" });
  const hits = await until(async () => {
    const answer = await server.ask(admin, find);
    // Until the last old vector is gone: refused by name, never answered from a mixture.
    if (answer.errors.length > 0) expect(answer.errors[0]?.extensions["code"]).toBe("CONFLICT");
    const { documents } = await server.must(admin, "{ documents { nodes { state } } }");
    const isDone = listOf(documents?.["nodes"]).every((node) => String(node["state"]) === "READY");
    return isDone && answer.errors.length === 0 && listOf(answer.data["search"]?.["hits"]).length === 2 ? listOf(answer.data["search"]?.["hits"]) : undefined;
  });
  expect(hits.map((hit) => String(hit["document"]?.["title"]))).toEqual(["Zebras", "Apples"]);
});
