import { promptVersion } from "../inference/chat-prompt.js";
import type { CompletionPart } from "../inference/inference-backend.js";
import type { ConversationId } from "../kernel/ids.js";
import { isRefusal, type Refusal } from "../kernel/refusal.js";
import type { Telemetry } from "../kernel/telemetry.js";
import { cachePolicyOf, thresholdOf } from "../memory/cache-policy.js";
import type { CachedAnswer, SemanticCache } from "../memory/semantic-cache.js";
import type { Door, MeteredCall } from "../metering/door.js";
import { untilAborted } from "../metering/until-aborted.js";
import type { TenantRouter } from "../routing/tenant-router.js";
import type { Guards } from "../safety/guards.js";
import type { AnswerEvent, Citation } from "./answer-event.js";
import { callOf, type Asking } from "./asking.js";
import { guardAnswer, type Completed } from "./complete-answer.js";
import type { ContextPassage } from "./context-passages.js";

export interface AnswerCacheParts {
  readonly door: Door;
  readonly router: Pick<TenantRouter, "read">;
  readonly guards: Guards;
  readonly telemetry: Telemetry;
  /** Left out: every question is a call of a model. */
  readonly cache?: SemanticCache;
}

export interface CacheLook {
  /** What was answered to the same question, and still stands. */
  readonly hit?: CachedAnswer;
  /** For the answer that is made now. */
  keep(answer: CachedAnswer): void;
}

type Cited = Completed & { readonly citations: readonly Citation[] };

/** Between the embedding of a question and its search: whether it has been answered before. */
export class AnswerCache {
  constructor(private readonly parts: AnswerCacheParts) {}

  /** Whether a question may be answered from the cache, and so what it may cost. In a conversation it means what was said before. */
  isOpenTo({ context, plan }: { readonly context: Asking["context"]; readonly plan: { readonly conversationId?: ConversationId } }): boolean {
    return this.parts.cache !== undefined && plan.conversationId === undefined && cachePolicyOf(context.policy).maxEntries > 0;
  }

  /**
   * Undefined where the question is not looked up and its answer not kept. Never rejects: what is wrong
   * with the store or the embedding is told by those who need them. The version of the index is read
   * before anything is searched, so an answer is never kept under a version that it has not seen.
   */
  async look(asking: Asking, embedding: Promise<Float32Array | Refusal>): Promise<CacheLook | undefined> {
    const { cache, telemetry } = this.parts;
    const { context, plan } = asking;
    if (cache === undefined || !this.isOpenTo(asking)) return undefined;
    try {
      const [revision, vector] = await Promise.all([this.#revision(asking), embedding]);
      if (isRefusal(vector)) return undefined;
      // Of an adapter by its id: what it answers is not what its base model would.
      const partition = { context, model: plan.chosen.tuned?.adapterId ?? plan.chosen.model, maxTokens: plan.maxTokens, promptVersion, index: { epoch: context.epoch, revision } };
      const question = { partition, text: plan.question, vector };
      const found = plan.skipsCache ? undefined : cache.find(question, thresholdOf(cachePolicyOf(context.policy), plan.cacheSimilarity));
      const isHit = found !== undefined && (await this.#stands(asking, found));
      telemetry.count("semantic_cache_total", { outcome: isHit ? "hit" : found !== undefined ? "stale" : plan.skipsCache ? "skipped" : "miss" });
      return { ...(isHit ? { hit: found } : {}), keep: (answer) => cache.keep(question, answer) };
    } catch {
      telemetry.count("semantic_cache_total", { outcome: "failed" });
      return undefined;
    }
  }

  /** Through the door, at the price of a hit, and under the guard as any answer. */
  async *serve(asking: Asking, hit: CachedAnswer): AsyncGenerator<AnswerEvent, Cited | Refusal> {
    const { context, deadline, plan } = asking;
    const call: MeteredCall = { ...callOf(asking), kind: "CACHE_HIT", model: plan.chosen.model, reserveTokens: 1, workClass: "INTERACTIVE" };
    const paid = await this.parts.door.run(context, deadline, call, async () => ({ value: true, usage: { promptTokens: 0, completionTokens: 0 } }));
    if (isRefusal(paid)) return paid;
    const guard = this.parts.guards.watchKept(context);
    const completed = yield* guardAnswer(inOnePiece(hit.text), guard);
    if (isRefusal(completed)) return completed;
    return { ...completed, citations: hit.citations.map((citation) => ({ ...citation, snippet: guard.clean(citation.snippet) })) };
  }

  #revision({ context, deadline }: Asking): Promise<number> {
    return untilAborted(this.parts.router.read(context, deadline, async (store) => (await store.chunks.statistics()).revision), deadline.signal);
  }

  /** It dies with any document it cites: each is read in the tenant's own store, and must be the version it was. */
  async #stands({ context, deadline }: Asking, { documents }: CachedAnswer): Promise<boolean> {
    const rows = await untilAborted(this.parts.router.read(context, deadline, (store) => store.documents.getMany(documents.map(({ id }) => id))), deadline.signal);
    return documents.every(({ id, version }, at) => rows[at]?.id === id && rows[at]?.version === version);
  }
}

/** What may be kept of an answer: undefined for one that was cut, that abstained, or that rests on nothing. */
export function keepable({ text, finishReason, citations }: Cited, passages: readonly ContextPassage[]): CachedAnswer | undefined {
  if (finishReason !== "STOP" || citations.length === 0) return undefined;
  const versions = new Map(passages.map(({ source, documentVersion }) => [source.documentId, documentVersion]));
  const documents = [...new Set(citations.map(({ documentId }) => documentId))].map((id) => ({ id, version: versions.get(id) ?? 0 }));
  return { text, citations, documents };
}

async function* inOnePiece(text: string): AsyncGenerator<CompletionPart> {
  yield { kind: "DELTA", text };
  yield { kind: "DONE", finishReason: "STOP", usage: { promptTokens: 0, completionTokens: 0 }, cited: [] };
}
