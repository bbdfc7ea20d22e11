/** How well each way of searching finds the one right passage, on the questions of the set. */
import { EmbeddedEmbedder } from "../../../src/retrieval/embed/embedded-embedder.js";
import { searchPassages, type SearchMode } from "../../../src/retrieval/search-passages.js";
import { openBenchHome } from "./bench-home.js";
import { indexTexts, miniSearchNames } from "./mini-search.js";
import { publishPassages } from "./publish-passages.js";
import { questionKinds, readPassages, readQuestions, type Passage } from "./question-set.js";
import { rankOf, recallAt, reciprocalRankAt, type Rank } from "./ranking-figures.js";

export const searchModes: readonly SearchMode[] = ["VECTOR", "TEXT", "HYBRID"];
/** As deep as MRR@10 looks. */
const resultsMax = 10;

export interface Quality {
  readonly system: string;
  /** `ALL`, or the kind of question. */
  readonly kind: string;
  readonly recall5: number;
  readonly mrr10: number;
}

export async function measureQuality(progress: (line: string) => void): Promise<readonly Quality[]> {
  const [passages, questions] = [readPassages(), readQuestions()];
  const embedder = new EmbeddedEmbedder();
  const embedding = { model: embedder.model, dimensions: embedder.dimensions };
  const home = await openBenchHome(embedding);
  try {
    const store = await home.tenant("bench-questions");
    const embed = async (texts: readonly string[], lane: "QUESTION" | "INGEST"): Promise<readonly Float32Array[]> => (await embedder.embed(texts, lane, new AbortController().signal)).vectors;
    const passageOf = new Map<string, string>();
    for (const document of byTitle(passages)) {
      const ids = await publishPassages(store, document[0]?.title ?? "", document.map(({ text }) => text), embedding, (texts) => embed(texts, "INGEST"));
      for (const [at, id] of ids.entries()) passageOf.set(id, document[at]?.id ?? "");
    }
    progress(`${passageOf.size} passages ingested, ${questions.length} questions`);
    const peer = indexTexts(passages);
    const ranks = new Map<string, Rank[]>();
    for (const { text, passage } of questions) {
      const [vector] = await embed([text], "QUESTION");
      for (const mode of searchModes) {
        const hits = await searchPassages(store, { text, mode, limit: resultsMax, filter: {}, ...(vector === undefined ? {} : { vector }) });
        note(ranks, `bulkhead ${mode}`, rankOf(passage, hits.map(({ chunk }) => passageOf.get(chunk.id) ?? "")));
      }
      for (const setting of miniSearchNames) note(ranks, setting, rankOf(passage, peer(setting, text, resultsMax)));
    }
    return [...ranks].flatMap(([system, all]) =>
      ["ALL", ...questionKinds].map((kind) => {
        const of = all.filter((_, at) => kind === "ALL" || questions[at]?.kind === kind);
        const quality = { system, kind, recall5: recallAt(5, of), mrr10: reciprocalRankAt(resultsMax, of) };
        progress(`${system}, ${kind}: recall@5 ${quality.recall5.toFixed(3)}, MRR@10 ${quality.mrr10.toFixed(3)}`);
        return quality;
      }),
    );
  } finally {
    await home.close();
    await embedder.close();
  }
}

function byTitle(passages: readonly Passage[]): readonly (readonly Passage[])[] {
  const documents = new Map<string, Passage[]>();
  for (const passage of passages) documents.set(passage.title, [...(documents.get(passage.title) ?? []), passage]);
  return [...documents.values()];
}

function note(ranks: Map<string, Rank[]>, system: string, rank: Rank): void {
  ranks.set(system, [...(ranks.get(system) ?? []), rank]);
}
