/**
 * The semantic cache on pairs of questions: how many near misses would be given another question's
 * answer, and how many paraphrases are answered from it, by the vectors alone and with the gate.
 */
import { readFileSync } from "node:fs";
import { cachePolicyOf } from "../../src/memory/cache-policy.js";
import { formOf } from "../../src/memory/question-form.js";
import { areSameQuestion, sameQuestion } from "../../src/memory/same-question.js";
import { ProcessTelemetry } from "../../src/observability/telemetry.js";
import { EmbeddedEmbedder } from "../../src/retrieval/embed/embedded-embedder.js";
import { parseTierPolicies } from "../../src/tenancy/tier-policy.js";
import { median, type Bench } from "./bench-result.js";

interface Group {
  readonly question: string;
  readonly same: readonly string[];
  readonly other: readonly string[];
}
interface Judged {
  readonly cosine: number;
  readonly passesGate: boolean;
}

const batchTexts = 16;
const gateRounds = 5;

/** Argument: a file of groups as `test/memory/question-pairs.json`, which is used when left out. */
export const bench: Bench = async (args, progress) => {
  const file = args[0] ?? new URL("../../test/memory/question-pairs.json", import.meta.url);
  const groups = JSON.parse(readFileSync(file, "utf8")) as readonly Group[];
  const policies = parseTierPolicies(JSON.parse(readFileSync(new URL("../../tenants/tiers.json", import.meta.url), "utf8")));
  const { minSimilarity } = cachePolicyOf(policies.FREE);
  const vectors = await vectorsOf([...new Set(groups.flatMap(({ question, same, other }) => [question, ...same, ...other]))]);
  progress(`${vectors.size} questions embedded; threshold ${minSimilarity}`);
  const judge = (pairsOf: (group: Group) => readonly string[]): readonly Judged[] =>
    groups.flatMap((group) => pairsOf(group).map((text) => ({ cosine: cosineOf(vectors, group.question, text), passesGate: areSameQuestion(group.question, text) })));
  const nearMisses = judge(({ other }) => other);
  const paraphrases = judge(({ same }) => same);
  // The word lists were made by looking at the groups of even number; the others were only measured.
  const heldOut = groups.filter((_group, index) => index % 2 === 1).flatMap(({ question, same }) => same.map((text) => ({ cosine: cosineOf(vectors, question, text), passesGate: areSameQuestion(question, text) })));
  const withGate = (pairs: readonly Judged[]): number => shareOf(pairs, ({ cosine, passesGate }) => passesGate && cosine >= minSimilarity);
  const byVector = (pairs: readonly Judged[], threshold = minSimilarity): number => shareOf(pairs, ({ cosine }) => cosine >= threshold);
  return {
    results: [
      row("pairs", "near misses", nearMisses.length, "pairs"),
      row("pairs", "paraphrases", paraphrases.length, "pairs"),
      row("vectors alone", "false hits", byVector(nearMisses)),
      row("vectors alone", "hits", byVector(paraphrases)),
      row("vectors alone at 0.95", "false hits", byVector(nearMisses, 0.95)),
      row("vectors alone at 0.95", "hits", byVector(paraphrases, 0.95)),
      row("vectors and gate", "false hits", withGate(nearMisses)),
      row("vectors and gate", "hits", withGate(paraphrases)),
      row("vectors and gate", "hits of the held out half", withGate(heldOut)),
      row("gate", "one comparison", gateMicros(groups), "us"),
    ],
    ratios: { "false hits with gate": withGate(nearMisses), "hits with gate": withGate(paraphrases) },
    goals: { "false hits with gate": { op: "<=", value: 0.01 }, "hits with gate": { op: ">=", value: 0.6 } },
  };
};

function row(system: string, metric: string, value: number, unit = "share"): { system: string; metric: string; unit: string; value: number } {
  return { system, metric, unit, value };
}

async function vectorsOf(texts: readonly string[]): Promise<ReadonlyMap<string, Float32Array>> {
  const embedder = new EmbeddedEmbedder(new ProcessTelemetry("error"));
  try {
    await embedder.ready();
    const vectors = new Map<string, Float32Array>();
    for (let start = 0; start < texts.length; start += batchTexts) {
      const batch = texts.slice(start, start + batchTexts);
      const embedding = await embedder.embed(batch, "QUESTION", new AbortController().signal);
      batch.forEach((text, index) => vectors.set(text, embedding.vectors[index] ?? new Float32Array()));
    }
    return vectors;
  } finally {
    await embedder.close();
  }
}

function cosineOf(vectors: ReadonlyMap<string, Float32Array>, x: string, y: string): number {
  const other = vectors.get(y);
  return vectors.get(x)?.reduce((sum, value, at) => sum + value * (other?.[at] ?? 0), 0) ?? Number.NaN;
}

function shareOf(pairs: readonly Judged[], holds: (pair: Judged) => boolean): number {
  return pairs.filter(holds).length / pairs.length;
}

/** As the cache does it: the stored question is taken apart already. */
function gateMicros(groups: readonly Group[]): number {
  const pairs = groups.flatMap(({ question, same, other }) => [...same, ...other].map((text) => ({ stored: formOf(question), text })));
  const rounds = Array.from({ length: gateRounds }, () => {
    const startedAt = performance.now();
    for (const { stored, text } of pairs) sameQuestion(stored, formOf(text));
    return ((performance.now() - startedAt) * 1_000) / pairs.length;
  });
  return median(rounds);
}
