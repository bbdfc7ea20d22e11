/** Stands in for the embedding model's thread: answers, and dies on the text `crash`. */
import { parentPort } from "node:worker_threads";

const port = parentPort;
port?.postMessage({ kind: "READY", loadMs: 1 });
port?.on("message", ({ id, text }: { id: number; text: string }) => {
  if (text === "crash") process.exit(7);
  if (text === "fail") return port.postMessage({ kind: "FAILED", id, message: "no vector" });
  setTimeout(() => port.postMessage({ kind: "VECTOR", id, vector: Float32Array.of(1, text.length), tokens: text.length }), text === "slow" ? 300 : 1);
});
