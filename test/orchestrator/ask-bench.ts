import type { CompletionEvent, CompletionRequest, InferenceBackend } from "../../src/inference/inference-backend.js";
import { InferencePool } from "../../src/inference/inference-pool.js";
import { LazyTokenCounter } from "../../src/inference/token-counter.js";
import { newId, type ChunkId, type ConversationId, type DocumentId } from "../../src/kernel/ids.js";
import { FairQueue, type FairQueueOptions } from "../../src/metering/fair-queue.js";
import type { SemanticCache } from "../../src/memory/semantic-cache.js";
import { MeteredDoor } from "../../src/metering/metered.js";
import { TurnQueues } from "../../src/metering/turn-queues.js";
import { AnswerOnce } from "../../src/orchestrator/answer-once.js";
import { AnswerQuestion } from "../../src/orchestrator/answer-question.js";
import { ConversationSummaries } from "../../src/orchestrator/conversation-summaries.js";
import { SearchDocuments } from "../../src/orchestrator/search-documents.js";
import { SummariseConversation } from "../../src/orchestrator/summarise-conversation.js";
import { SummarisedAnswers } from "../../src/orchestrator/summarised-answers.js";
import { noBudgets, type Budgets } from "../../src/quotas/budgets.js";
import { openMemoryCounterStore } from "../../src/quotas/memory-counter-store.js";
import { TenantQuotas } from "../../src/quotas/tenant-quotas.js";
import type { Embedder } from "../../src/retrieval/embedder.js";
import type { RankedPassage } from "../../src/retrieval/search-passages.js";
import { Guards } from "../../src/safety/guards.js";
import type { TenantStore } from "../../src/storage/tenant-store.js";
import type { TenantContext } from "../../src/tenancy/tenant-context.js";
import { MemoryLedger, pseudonyms, recorderOf, recordingTelemetry } from "../metering/spend-fixtures.js";

/** One counter for all benches of a file: the tokenizer is loaded once. */
const counter = new LazyTokenCounter();

/** A model that says what it is told. */
export class ScriptedModel implements InferenceBackend {
  readonly models = ["scripted"];
  readonly requests: CompletionRequest[] = [];
  script: (request: CompletionRequest, signal: AbortSignal) => AsyncIterable<CompletionEvent> = answering("Six weeks [1].");

  complete(request: CompletionRequest, signal: AbortSignal): AsyncIterable<CompletionEvent> {
    this.requests.push(request);
    return this.script(request, signal);
  }
}

export function answering(text: string): ScriptedModel["script"] {
  return async function* (request) {
    for (const word of text.match(/\s*\S+/gu) ?? []) yield { kind: "DELTA", text: word };
    const cited = request.passages.filter(({ label }) => text.includes(`[${label}]`)).map(({ label }) => label);
    yield { kind: "DONE", finishReason: "STOP", usage: { promptTokens: 300, completionTokens: 4 }, cited };
  };
}

export interface AskBench {
  readonly answers: AnswerQuestion;
  /** The same, with what the server puts in front of it. */
  readonly talks: SummarisedAnswers;
  readonly summaries: ConversationSummaries;
  readonly search: SearchDocuments;
  readonly model: ScriptedModel;
  readonly ledger: MemoryLedger;
  readonly quotas: TenantQuotas;
  readonly queue: FairQueue;
  readonly counts: Map<string, number>;
  readonly conversation: { readonly id: ConversationId; readonly turns: { question: string; answer: string }[]; readonly owner: string };
  /** What the search finds. */
  passages: RankedPassage[];
  /** Passages that the tenant has, found or not. */
  chunks: number;
  /** Of the tenant's index. */
  revision: number;
  /** Of a document now; undefined when it is gone. */
  versionOf: (id: DocumentId) => number | undefined;
  embed: Embedder["embed"];
  failAppend: boolean;
  usedTokens(context: TenantContext): Promise<number>;
}

export function passageOf(text: string, score: number): RankedPassage {
  return { chunk: { tenantId: "acme" as RankedPassage["chunk"]["tenantId"], id: newId<ChunkId>("chunk"), documentId: newId<DocumentId>("document"), ordinal: 0, text, headings: [] }, score };
}

export function openBench(options: { queue?: FairQueueOptions; cache?: SemanticCache; budgets?: (ledger: MemoryLedger) => Budgets; ledger?: MemoryLedger; store?: (context: TenantContext) => TenantStore } = {}): AskBench {
  const telemetry = recordingTelemetry();
  const quotas = new TenantQuotas(openMemoryCounterStore(), telemetry);
  const ledger = options.ledger ?? new MemoryLedger();
  const queue = new FairQueue(options.queue ?? { slots: 8 });
  const door = new MeteredDoor(quotas, options.budgets?.(ledger) ?? noBudgets, new TurnQueues(new FairQueue({ slots: 8 }), new Map([["default", queue]]), () => "default"), recorderOf(ledger, telemetry), telemetry);
  const model = new ScriptedModel();
  const embedder: Embedder = { model: "embedded-use-lite", dimensions: 2, embed: (...call) => bench.embed(...call), ready: async () => {}, close: async () => {} };
  const router = {
    read: <T>(context: TenantContext, _deadline: unknown, work: (store: TenantStore) => Promise<T>) => work(storeFor(context)),
    write: <T>(context: TenantContext, _deadline: unknown, work: (store: TenantStore) => Promise<T>) => work(storeFor(context)),
  };
  const storeFor = options.store ?? ((context: TenantContext) => storeOf(bench, context));
  const search = async () => bench.passages;
  const parts = { door, router, embedder, search, pool: new InferencePool([model]), counter, guards: new Guards(telemetry), pseudonyms, telemetry, ...(options.cache === undefined ? {} : { cache: options.cache }) };
  const answers = new AnswerQuestion(parts);
  const summaries = new ConversationSummaries(new SummariseConversation(parts), telemetry);
  const bench: AskBench = {
    answers,
    talks: new SummarisedAnswers(new AnswerOnce(answers, router, telemetry), summaries),
    summaries,
    search: new SearchDocuments({ door, router, embedder, search, counter }),
    model,
    ledger,
    quotas,
    queue,
    counts: telemetry.counts,
    conversation: { id: newId("conversation"), turns: [], owner: "ada" },
    passages: [passageOf("The notice period is six weeks.", 0.9), passageOf("Leave is 29 days.", 0.6)],
    chunks: 2,
    revision: 1,
    versionOf: () => 1,
    embed: async () => ({ vectors: [new Float32Array([1, 0])], tokens: 6 }),
    failAppend: false,
    usedTokens: async (context) => {
      const { limit, remaining } = (await quotas.view(context)).tokens;
      return limit - remaining;
    },
  };
  return bench;
}

/** The few methods that answering uses. The conversation belongs to one user of one tenant, as in a real store. */
function storeOf(bench: AskBench, context: TenantContext): TenantStore {
  const { conversation } = bench;
  const isOwn = (id: ConversationId) => id === conversation.id && context.userId === conversation.owner && context.tenantId === "acme";
  return {
    documents: { getMany: async (ids: readonly DocumentId[]) => ids.map((id) => (bench.versionOf(id) === undefined ? undefined : { id, title: "Handbook", version: bench.versionOf(id) })) },
    chunks: { statistics: async () => ({ chunks: bench.chunks, meanLength: 10, revision: bench.revision }) },
    conversationsOf: () => ({
      get: async (id: ConversationId) => (isOwn(id) ? { id } : undefined),
      latest: async (id: ConversationId) => (isOwn(id) ? conversation.turns : []),
      append: async (id: ConversationId, turn: { question: string; answer: string }) => {
        if (bench.failAppend || !isOwn(id)) throw new TypeError("The turn cannot be added");
        conversation.turns.push(turn);
      },
    }),
  } as unknown as TenantStore;
}
