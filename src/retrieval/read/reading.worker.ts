/**
 * Reads untrusted documents in a thread that can be killed. Started by `document-reader.ts`, which
 * speaks `reading-messages.ts` with it, one task at a time.
 */
import { parentPort } from "node:worker_threads";
import { extractText, probe } from "../extract/extract-text.js";
import { UnreadableDocument } from "../extract/unreadable-document.js";
import { prepareChunks, type PreparedChunk } from "./prepared-chunk.js";
import type { ReadingReply, ReadingTask } from "./reading-messages.js";

if (parentPort === null) throw new TypeError("reading.worker is started as a worker thread");
const port = parentPort;
port.on("message", (task: ReadingTask) => {
  void answer(task).then((reply) => port.postMessage(reply));
});

async function answer(task: ReadingTask): Promise<ReadingReply> {
  try {
    return { kind: "DONE", chunks: await run(task) };
  } catch (error) {
    if (error instanceof UnreadableDocument) return { kind: "UNREADABLE", got: error.got, expected: error.expected };
    return { kind: "FAILED", message: error instanceof Error ? error.message : String(error) };
  }
}

async function run(task: ReadingTask): Promise<readonly PreparedChunk[]> {
  if (task.kind === "PREPARE") return prepareChunks(task.title, await extractText(task.content, task.mediaType));
  await probe(task.content, task.mediaType);
  return [];
}
