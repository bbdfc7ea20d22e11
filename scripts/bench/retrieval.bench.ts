/**
 * `retrieval [--chunks N] [--searches N]`: how well vector, text and hybrid search find the one right
 * passage of a set of questions, beside minisearch in the same run; then how long each takes for a
 * tenant of N chunks (100,000; 0 leaves that out). Through the store on an embedded engine in this
 * process, with the embedded embedding model, as `npm start` has it.
 */
import { parseArgs } from "node:util";
import { quantile, type Bench } from "./bench-result.js";
import { measureLatency } from "./retrieval/latency.js";
import { miniSearchNames } from "./retrieval/mini-search.js";
import { measureQuality, type Quality } from "./retrieval/quality.js";
import { questionKinds } from "./retrieval/question-set.js";

type Result = Awaited<ReturnType<Bench>>["results"][number];

const besideModes = "hybrid recall@5 to the best single mode's";
const besidePeer = "hybrid recall@5 to minisearch's";

export const bench: Bench = async (args, progress) => {
  const { values } = parseArgs({ args: [...args], options: { chunks: { type: "string", default: "100000" }, searches: { type: "string", default: "200" } } });
  const [chunks, searches] = [count("chunks", values.chunks, 0), count("searches", values.searches, 1)];
  const qualities = await measureQuality(progress);
  const results = qualities.flatMap(({ system, kind, recall5, mrr10 }): Result[] => [
    { system, metric: `recall@5, ${kind.toLowerCase()}`, unit: "share", value: recall5 },
    { system, metric: `MRR@10, ${kind.toLowerCase()}`, unit: "share", value: mrr10 },
  ]);
  return {
    results: [...results, ...(chunks === 0 ? [] : await latencyResults(chunks, searches, progress))],
    ratios: Object.fromEntries(["ALL", ...questionKinds].flatMap((kind) => ratiosOf(qualities, kind))),
    goals: { [besideModes]: { op: ">=", value: 1 }, [besidePeer]: { op: ">=", value: 1 } },
  };
};

function count(name: string, given: string, min: number): number {
  const value = Number(given);
  if (!Number.isInteger(value) || value < min) throw new TypeError(`retrieval: got --${name} ${given}, expected a whole number from ${min} on`);
  return value;
}

/** Against the better of its rivals on the same questions; goals are held on all of them. */
function ratiosOf(qualities: readonly Quality[], kind: string): readonly (readonly [string, number])[] {
  const recall = (system: string): number => qualities.find((quality) => quality.system === system && quality.kind === kind)?.recall5 ?? Number.NaN;
  const hybrid = recall("bulkhead HYBRID");
  const suffix = kind === "ALL" ? "" : `, ${kind.toLowerCase()}`;
  return [
    [`${besideModes}${suffix}`, hybrid / Math.max(recall("bulkhead VECTOR"), recall("bulkhead TEXT"))],
    [`${besidePeer}${suffix}`, hybrid / Math.max(...miniSearchNames.map(recall))],
  ];
}

async function latencyResults(chunks: number, searches: number, progress: (line: string) => void): Promise<readonly Result[]> {
  const { latencies, ingestedPerSecond, firstVectorSearchMs } = await measureLatency(chunks, searches, progress);
  const among = `among ${chunks} chunks`;
  return [
    ...latencies.flatMap(({ system, latenciesMs }) => [0.5, 0.95].map((q): Result => ({ system, metric: `p${q * 100} ${among}`, unit: "ms", value: quantile(latenciesMs, q) }))),
    { system: "bulkhead", metric: `first vector search ${among}`, unit: "ms", value: firstVectorSearchMs },
    { system: "bulkhead", metric: "chunks ingested a second", unit: "1/s", value: ingestedPerSecond },
  ];
}
