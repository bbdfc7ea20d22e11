import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

export interface StubEmbeddingServer {
  readonly environment: Readonly<Record<string, string>>;
  close(): Promise<void>;
}

const dimensions = 128;

/** OpenAI's `/embeddings` by counting words: texts with the same words are near. It costs next to nothing, so that a load is on what is to be loaded. */
export async function startStubEmbeddingServer(): Promise<StubEmbeddingServer> {
  const server = createServer((request, response) => {
    let text = "";
    request.setEncoding("utf8");
    request.on("data", (part: string) => (text += part));
    request.on("end", () => {
      const { input } = JSON.parse(text) as { input: readonly string[] };
      const data = input.map((one, index) => ({ index, embedding: [...vectorOf(one)] }));
      response.setHeader("content-type", "application/json").end(JSON.stringify({ data, usage: { prompt_tokens: input.length } }));
    });
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const { port } = server.address() as AddressInfo;
  return {
    environment: { EMBEDDING_BASE_URL: `http://127.0.0.1:${port}/v1`, EMBEDDING_MODEL: "word-count", EMBEDDING_DIMENSIONS: String(dimensions) },
    close: async () => {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    },
  };
}

function vectorOf(text: string): Float32Array {
  const vector = new Float32Array(dimensions);
  for (const word of text.toLowerCase().match(/[a-z]+/g) ?? [""]) {
    let hash = 7;
    for (const char of word) hash = (hash * 31 + char.charCodeAt(0)) % 1_000_003;
    vector[hash % dimensions] = (vector[hash % dimensions] ?? 0) + 1;
  }
  return vector;
}
