/** How long a search takes where one tenant has many chunks. The question's embedding is not in it. */
import { BulkheadError } from "../../../src/kernel/errors.js";
import { searchPassages } from "../../../src/retrieval/search-passages.js";
import type { TenantStore } from "../../../src/storage/tenant-store.js";
import { quantile } from "../bench-result.js";
import { openBenchHome } from "./bench-home.js";
import { indexTexts, miniSearchNames, type SearchableText } from "./mini-search.js";
import { publishPassages } from "./publish-passages.js";
import { searchModes } from "./quality.js";
import { seededRandom, unitVector, ZipfWords, type Random } from "./synthetic-texts.js";

const embedding = { model: "bench", dimensions: 512 } as const;
const chunksPerDocument = 500;
const resultsMax = 10;
/** Unmeasured searches of each system before: code is compiled and vectors are in memory then, as in a server that has run for a minute. */
const warmSearches = 20;
const searchesPerReport = 50;
const firstSearchRefusalsMax = 5;

export interface Latency {
  readonly system: string;
  readonly latenciesMs: readonly number[];
}

export interface LargeTenant {
  readonly latencies: readonly Latency[];
  readonly ingestedPerSecond: number;
  /** The tenant's first vector search reads its vectors into memory. */
  readonly firstVectorSearchMs: number;
}

export async function measureLatency(chunks: number, searches: number, progress: (line: string) => void): Promise<LargeTenant> {
  const random = seededRandom(20_260_501);
  const words = new ZipfWords(random);
  const texts = Array.from({ length: chunks }, (_, at): SearchableText => ({ id: String(at), title: `Document ${Math.floor(at / chunksPerDocument)}`, text: words.draw(30 + Math.floor(random() * 31)).join(" ") }));
  const home = await openBenchHome(embedding);
  try {
    const store = await home.tenant("bench-large");
    const ingestedPerSecond = await ingest(store, texts, random, progress);
    const peer = indexTexts(texts);
    progress("minisearch has indexed the same texts");
    const ours = searchModes.map((mode) => ({ system: `bulkhead ${mode}`, run: (text: string, vector: Float32Array) => searchPassages(store, { text, mode, limit: resultsMax, filter: {}, vector }) }));
    const peers = miniSearchNames.map((setting) => ({ system: setting as string, run: async (text: string) => peer(setting, text, resultsMax) }));
    const systems = [...ours, ...peers].map((system) => ({ ...system, latenciesMs: [] as number[] }));
    const firstVectorSearchMs = await timed(() => firstVectorSearch(store, unitVector(random, embedding.dimensions), progress));
    for (let at = -warmSearches; at < searches; at += 1) {
      // In turn, so that a noisy moment of the machine meets all. Each with a question of its own: how often a term occurs is remembered, and a second mode would find it known.
      for (const { run, latenciesMs } of systems) {
        const [question, vector] = [questionOf(texts, random), unitVector(random, embedding.dimensions)];
        const tookMs = await timed(() => run(question, vector));
        if (at >= 0) latenciesMs.push(tookMs);
      }
      if (at >= 0 && (at + 1) % searchesPerReport === 0) progress(`${at + 1} of ${searches} searches each; p50 so far: ${systems.map(({ system, latenciesMs }) => `${system} ${quantile(latenciesMs, 0.5).toFixed(1)} ms`).join(", ")}`);
    }
    return { latencies: systems.map(({ system, latenciesMs }) => ({ system, latenciesMs })), ingestedPerSecond, firstVectorSearchMs };
  } finally {
    await home.close();
  }
}

async function ingest(store: TenantStore, texts: readonly SearchableText[], random: Random, progress: (line: string) => void): Promise<number> {
  const startedAt = performance.now();
  for (let from = 0; from < texts.length; from += chunksPerDocument) {
    const part = texts.slice(from, from + chunksPerDocument);
    await publishPassages(store, part[0]?.title ?? "", part.map(({ text }) => text), embedding, async (embedded) => embedded.map(() => unitVector(random, embedding.dimensions)));
    const done = from + part.length;
    if (done % 10_000 === 0) progress(`${done} of ${texts.length} chunks ingested after ${((performance.now() - startedAt) / 1_000).toFixed(0)} s`);
  }
  return (texts.length * 1_000) / (performance.now() - startedAt);
}

/** On a busy machine it may pass the store's time limit, which callers are told as retryable. They would ask again, and so do we. */
async function firstVectorSearch(store: TenantStore, vector: Float32Array, progress: (line: string) => void): Promise<void> {
  for (let refused = 0; ; refused += 1) {
    try {
      await searchPassages(store, { text: "", mode: "VECTOR", limit: resultsMax, filter: {}, vector });
      return;
    } catch (error) {
      if (!(error instanceof BulkheadError) || error.code !== "SERVICE_UNAVAILABLE" || refused === firstSearchRefusalsMax) throw error;
      progress("the first vector search passed the store's time limit and is asked again");
    }
  }
}

/** Four to eight words of one passage, so that every search has something to find. */
function questionOf(texts: readonly SearchableText[], random: Random): string {
  const words = texts[Math.floor(random() * texts.length)]?.text.split(" ") ?? [];
  const count = 4 + Math.floor(random() * 5);
  const from = Math.floor(random() * (words.length - count));
  return words.slice(from, from + count).join(" ");
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await work();
  return performance.now() - startedAt;
}
