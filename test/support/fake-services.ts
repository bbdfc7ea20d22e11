import type { Deadline } from "../../src/kernel/deadline.js";
import { newId, parseTenantId, type AdapterId, type ChunkId, type ConversationId, type DocumentId, type MoveId, type TenantId } from "../../src/kernel/ids.js";
import { notFound } from "../../src/kernel/errors.js";
import type { Page, PageRequest } from "../../src/kernel/page.js";
import { refusal, type Refusal } from "../../src/kernel/refusal.js";
import type { AnswerEvent, Answered, AskInput, Services, TenantAdministration } from "../../src/graphql/services.js";
import type { PlacementMoveRow } from "../../src/storage/control/control-plane.js";
import type { IsolationReportRow } from "../../src/storage/control/isolation-report-rows.js";
import type { ErasureRow } from "../../src/storage/control/erasure-rows.js";
import type { AdapterRow, AdapterStore, FeedbackStore } from "../../src/storage/adapter-rows.js";
import type { ChunkRow, ChunkStore, ConversationRow, ConversationStore, DocumentRow, DocumentStore, IdempotencyStore, MessageRow, TenantStore } from "../../src/storage/tenant-store.js";
import type { TenantContext } from "../../src/tenancy/tenant-context.js";
import type { TenantRecord } from "../../src/tenancy/tenant-record.js";
import { readGuardSetting } from "../../src/tenancy/guard-policy.js";
import type { TierPolicies, TierPolicy, Tier } from "../../src/tenancy/tier-policy.js";

const epoch = new Date("2026-01-01T00:00:00Z");

export function tenantRecord(id: string, tier: Tier = "PRO"): TenantRecord {
  return { id: parseTenantId(id), name: id.toUpperCase(), tier, state: "ACTIVE", placement: { kind: "SETTLED", home: { kind: "POOL" }, epoch: 1 }, createdAt: epoch, version: 1 };
}

export function documentRow(tenant: string, title: string): DocumentRow {
  return {
    id: newId<DocumentId>("document"), tenantId: parseTenantId(tenant), title, mediaType: "text/markdown", tags: ["demo"], state: "READY",
    bytes: 3_000_000_000, chunkCount: 3, version: 1, contentSha256: "0".repeat(64), createdAt: epoch, updatedAt: epoch,
  };
}

const policy = (tier: Tier): TierPolicy => Object.freeze({
  tier, placement: tier === "ENTERPRISE" ? "SILO" : "POOL", weight: 1, requestsPerMinute: 600, tokensPerMinute: 10_000, maxDocuments: 10, maxChunks: 100,
  maxBytes: 1_000_000, maxDocumentBytes: 500_000, maxQuestionChars: 8_000, maxAnswerTokens: 512, contextTokens: 1_000, historyTokens: 500, models: ["fake"], guard: readGuardSetting(undefined),
});

export const testPolicies: TierPolicies = Object.freeze({ FREE: policy("FREE"), PRO: policy("PRO"), ENTERPRISE: policy("ENTERPRISE") });

/**
 * Services in memory, for tests of the layers above them. `walls` false takes the store's two walls
 * down: every read then sees the rows of all tenants.
 */
export class FakeServices implements Services {
  readonly records = new Map<TenantId, TenantRecord>();
  readonly documents: DocumentRow[] = [];
  readonly conversations: (ConversationRow & { userId: string })[] = [];
  readonly messages: MessageRow[] = [];
  readonly adapterRows: AdapterRow[] = [];
  readonly weights = new Map<AdapterId, { readonly tenantId: TenantId; readonly file: Buffer }>();
  readonly moveRows: PlacementMoveRow[] = [];
  readonly reports: IsolationReportRow[] = [];
  readonly erasures: ErasureRow[] = [];
  readonly asked: { tenantId: TenantId; question: string; path: string }[] = [];
  readonly watched: AbortSignal[] = [];
  walls = true;
  documentReads = 0;
  /** What `ask` does; the default cites the first visible document. */
  answer: (context: TenantContext, deadline: Deadline) => Promise<Answered | Refusal> = (context) => Promise.resolve(this.#answerFor(context));

  addTenant(id: string, tier: Tier = "PRO"): TenantRecord {
    const record = tenantRecord(id, tier);
    this.records.set(record.id, record);
    return record;
  }

  suspend(id: string): void {
    const tenantId = parseTenantId(id);
    const record = this.records.get(tenantId);
    if (record !== undefined) this.records.set(tenantId, { ...record, state: "SUSPENDED" });
  }

  addDocument(tenant: string, title: string): DocumentRow {
    const row = documentRow(tenant, title);
    this.documents.push(row);
    return row;
  }

  addAdapter(tenant: string, name: string, baseModel = "fake"): AdapterRow {
    const row: AdapterRow = { id: newId<AdapterId>("adapter"), tenantId: parseTenantId(tenant), name, baseModel, origin: "TRAINED", state: "PREPARING", examples: 0, createdAt: epoch, updatedAt: epoch };
    this.adapterRows.push(row);
    return row;
  }

  readonly audits: Services["audits"] = {
    begin: (trigger) => {
      const report: IsolationReportRow = { id: newId("audit"), trigger, state: "RUNNING", startedAt: epoch, probes: 0, leaks: 0, surfaces: [], coverage: { fields: 0, covered: 0, uncovered: [] }, findings: [] };
      this.reports.push(report);
      return Promise.resolve(report);
    },
    find: (id) => Promise.resolve(this.reports.find((report) => report.id === id)),
    latest: () => Promise.resolve(this.reports.find((report) => report.state !== "RUNNING")),
    page: (request) => Promise.resolve(pageOf(this.reports.toReversed(), request)),
  };

  readonly alarms: Services["alarms"] = { recentAlarms: () => [{ name: "tenant_mismatch", at: epoch, fields: { wall: "storage", expected: "acme" } }] };

  readonly stores: Services["stores"] = {
    read: (context, _deadline, work) => work(this.#storeOf(context)),
    write: (context, _deadline, work) => work(this.#storeOf(context)),
  };

  readonly ingestion: Services["ingestion"] = {
    accept: (context, _deadline, input) => {
      const row: DocumentRow = { ...documentRow(context.tenantId, input.title), state: "PENDING", mediaType: input.mediaType, tags: input.tags, bytes: input.content.length };
      this.documents.push(row);
      return Promise.resolve(row);
    },
    retry: (context, _deadline, id) => {
      const row = this.#visible(context).find((candidate) => candidate.id === id);
      return row === undefined ? Promise.reject(notFound("Document")) : Promise.resolve(row);
    },
  };

  readonly adapters: Services["adapters"] = {
    train: (context, _deadline, { name, baseModel }) => Promise.resolve(this.addAdapter(context.tenantId, name, baseModel)),
    remove: (context, _deadline, id) => {
      const at = this.adapterRows.findIndex((row) => row.id === id && row.tenantId === context.tenantId);
      if (at < 0) return Promise.reject(notFound("Adapter"));
      this.adapterRows.splice(at, 1);
      return Promise.resolve();
    },
  };

  readonly adapterFiles: Services["adapterFiles"] = {
    import: (context, _deadline, { name, baseModel, file }) => {
      const row: AdapterRow = { ...this.addAdapter(context.tenantId, name, baseModel), state: "IMPORTED", origin: "FILE", weights: { bytes: file.length, sha256: "0".repeat(64) } };
      this.weights.set(row.id, { tenantId: context.tenantId, file });
      return Promise.resolve(row);
    },
    export: (context, _deadline, id) => {
      const found = this.weights.get(id);
      return found?.tenantId === context.tenantId ? Promise.resolve(found.file) : Promise.reject(notFound("Adapter"));
    },
  };

  readonly ingestionProgress: Services["ingestionProgress"] = { watch: (context, id, signal) => this.#watch(context, id, signal) };
  readonly answers: Services["answers"] = {
    run: (context, deadline, input, path) => {
      this.asked.push({ tenantId: context.tenantId, question: input.question, path });
      return this.answer(context, deadline);
    },
  };
  readonly answerStreams: Services["answerStreams"] = { stream: (context, deadline, input, path) => this.#stream(context, deadline, input, path) };
  readonly search: Services["search"] = {
    run: (context, _deadline, { query }) =>
      Promise.resolve(query === "refuse me" ? refusal("RATE_LIMITED", "Too many tokens", { retryAfterMs: 1_500, limit: "tokensPerMinute" }) : { kind: "HITS", hits: this.#visible(context).map((row) => ({ chunk: chunkOf(row), score: 0.5, vectorScore: 0.4 })) }),
  };
  readonly quotas: Services["quotas"] = {
    view: () => Promise.resolve({ requests: { limit: 600, remaining: 599, resetsAt: epoch }, tokens: { limit: 10_000, remaining: 9_000, reserved: 500, resetsAt: epoch } }),
  };
  readonly budgets: Services["budgets"] = {
    view: () => Promise.resolve({ day: { limitMicroUsd: 5_000_000, spentMicroUsd: 1_000_000, reservedMicroUsd: 500, remainingMicroUsd: 3_999_500, resetsAt: epoch }, warnings: [] }),
    set: () => Promise.resolve(),
  };
  readonly usage: Services["usage"] = {
    run: (_context, _deadline, { from = epoch, to = new Date(), groupBy = "MODEL" }) => {
      const totals = { calls: 2, promptTokens: 3_000_000_000, completionTokens: 5, cachedPromptTokens: 3, reasoningTokens: 1, costMicroUsd: 12_345_678 };
      return Promise.resolve({ from, to, groupBy, groups: [{ key: "fake", ...totals }], totals });
    },
  };
  readonly usageExports: Services["usageExports"] = { run: () => Promise.resolve({ csv: "id\r\nuse_1\r\n", rows: 1, truncated: false }) };
  readonly rerating: Services["rerating"] = { run: () => Promise.resolve({ calls: 2, corrected: 1, differenceMicroUsd: -1_500_000 }) };
  readonly tenants: TenantAdministration = {
    create: ({ id, name, tier }) => Promise.resolve({ ...this.addTenant(String(id), tier), name }),
    find: (id) => Promise.resolve([...this.records.values()].find((record) => record.id === id)),
    page: (request) => Promise.resolve(pageOf([...this.records.values()], request)),
    changeTier: (id, tier) => {
      const tenant = { ...this.#record(id), tier };
      const move: PlacementMoveRow = {
        id: newId<MoveId>("move"), tenantId: tenant.id, from: { kind: "POOL" }, to: { kind: "SILO", database: "x" }, fromTier: "PRO", toTier: tier,
        targetEpoch: 2, phase: "COPYING", copied: 10, total: 20, startedAt: epoch, copyStartedAt: new Date(epoch.getTime() + 3_000), switchedAt: new Date(epoch.getTime() + 5_000),
        finishedAt: new Date(epoch.getTime() + 9_000), pauseMs: 12.5, reverting: false, cancelRequested: false, revertRequested: false, retireRequested: false,
      };
      this.moveRows.push(move);
      return Promise.resolve({ tenant, move });
    },
    suspend: (id) => Promise.resolve({ ...this.#record(id), state: "SUSPENDED" }),
    reactivate: (id) => Promise.resolve(this.#record(id)),
    latestMove: (id) => Promise.resolve(this.moveRows.findLast((move) => move.tenantId === id)),
    isolation: (record) => Promise.resolve(record.tier === "ENTERPRISE" ? { credential: "OWN", keyVersion: 2, cluster: "west" } : undefined),
  };
  readonly moves: Services["moves"] = {
    find: (id) => Promise.resolve(this.moveRows.find((move) => move.id === id)),
    watch: (id) => this.#watchMove(id),
    cancel: (id) => Promise.resolve({ ...this.#move(id), phase: "CANCELLING", cancelRequested: true }),
    revert: (id) => Promise.resolve({ ...this.#move(id), phase: "OBSERVING", revertRequested: true }),
  };
  readonly erasure: Services["erasure"] = {
    erase: (id) => {
      const tenant = { ...this.#record(id), state: "ERASED" } as const;
      const receipt: ErasureRow = {
        tenantId: tenant.id, phase: "ENDED", status: "COMPLETE", homes: [{ kind: "POOL" }], emptied: ["POOL"], found: [], removed: [{ store: "pool", what: "rows of chunks", count: 3 }],
        kept: [{ what: "the id", why: "never given again" }], unreachable: [], rounds: 0, startedAt: epoch, verifiedAt: epoch, finishedAt: epoch,
      };
      this.erasures.push(receipt);
      return Promise.resolve({ tenant, receipt });
    },
    find: (id) => Promise.resolve(this.erasures.find((receipt) => receipt.tenantId === id)),
  };
  readonly heatmaps: Services["heatmaps"] = {
    run: ({ measure }) => {
      const rows = [...this.records.values()].map((tenant) => ({ tenant, total: 2, cells: [2, null], refusals: 1 }));
      return Promise.resolve({ measure, unit: "requests", from: epoch, to: epoch, bucketMinutes: 60, columns: [epoch, epoch], rows, truncated: false, max: 2, suggestions: rows.map(({ tenant }) => ({ tenant, placement: "SILO", reason: "It is large" })) });
    },
  };
  readonly latency: Services["latency"] = {
    run: () => {
      const stages = [{ name: "queue_wait", share: 1, meanMs: 1, p50Ms: 1, p95Ms: 1, p99Ms: 1 }];
      const holders = [{ work: "OTHERS", share: 1, ms: 1 }];
      const tenants = [...this.records.values()].map((tenant) => ({ tenant, requests: 1, p50Ms: 1, p95Ms: 1, p99Ms: 1, stages, queueHeldBy: holders }));
      return Promise.resolve({ from: epoch, to: epoch, truncated: false, requests: 1, verdict: { scope: "NOBODY", slowTenants: [], because: holders, summary: "Nobody is slow" }, stages, tenants });
    },
  };
  readonly keys: Services["keys"] = { rotate: (id) => Promise.resolve({ tenant: this.#record(id), rotation: { version: 3, rows: 40 } }) };

  #move(id: unknown): PlacementMoveRow {
    const move = this.moveRows.find((candidate) => candidate.id === id);
    if (move === undefined) throw notFound("PlacementMove");
    return move;
  }

  #record(id: unknown): TenantRecord {
    const record = [...this.records.values()].find((candidate) => candidate.id === id);
    if (record === undefined) throw notFound("Tenant");
    return record;
  }

  #visible(context: TenantContext): DocumentRow[] {
    return this.documents.filter((row) => !this.walls || row.tenantId === context.tenantId);
  }

  async *#watch(context: TenantContext, id: DocumentId, signal: AbortSignal): AsyncGenerator<DocumentRow> {
    this.watched.push(signal);
    const row = this.#visible(context).find((candidate) => candidate.id === id);
    if (row !== undefined) yield row;
    await new Promise((_resolve, reject) => {
      if (signal.aborted) reject(signal.reason);
      signal.addEventListener("abort", () => reject(signal.reason), { once: true });
    });
  }

  async *#stream(context: TenantContext, deadline: Deadline, input: AskInput, path: string): AsyncGenerator<AnswerEvent> {
    yield { kind: "STARTED", id: "ans_1", model: "fake" };
    yield { kind: "DELTA", text: "Because." };
    yield await this.answers.run(context, deadline, input, path);
  }

  async *#watchMove(id: unknown): AsyncGenerator<PlacementMoveRow> {
    for (const move of this.moveRows.filter((candidate) => candidate.id === id)) {
      yield move;
      yield { ...move, phase: "DONE", copied: 20 };
    }
  }

  #answerFor(context: TenantContext): Answered {
    return {
      kind: "ANSWER", id: "ans_1", text: "Because.", finishReason: "STOP", cached: false, replayed: false, model: "fake",
      citations: this.#visible(context).map((row) => ({ documentId: row.id, chunkId: newId<ChunkId>("chunk"), snippet: `about ${row.title}`, score: 0.9 })),
      usage: { promptTokens: 10, completionTokens: 5, costMicroUsd: 123 }, latency: { totalMs: 1.5, stages: [{ name: "retrieve", ms: 1 }] },
    };
  }

  #storeOf(context: TenantContext): TenantStore {
    return { tenantId: context.tenantId, home: "POOL", documents: this.#documentsOf(context), chunks: this.#chunksOf(context), conversationsOf: (userId) => this.#conversationsOf(context, userId), sweepConversations: async () => 0, idempotencyOf: () => ({}) as IdempotencyStore, adapters: this.#adaptersOf(context), feedbackOf: () => this.#feedbackOf(context) };
  }

  #documentsOf(context: TenantContext): DocumentStore {
    const store: Partial<DocumentStore> = {
      getMany: (ids) => {
        this.documentReads += 1;
        return Promise.resolve(ids.map((id) => this.#visible(context).find((row) => row.id === id)));
      },
      page: (request) => Promise.resolve(pageOf(this.#visible(context), request)),
      remove: (id) => {
        const row = this.#visible(context).find((candidate) => candidate.id === id);
        if (row !== undefined) this.documents.splice(this.documents.indexOf(row), 1);
        return Promise.resolve(row !== undefined);
      },
    };
    return store as DocumentStore;
  }

  /** One passage a document, under the document's own letters. */
  #chunksOf(context: TenantContext): ChunkStore {
    const store: Partial<ChunkStore> = {
      passage: (id) => {
        const row = this.#visible(context).find((candidate) => candidate.id.slice(4) === id.slice(4));
        return Promise.resolve(row === undefined ? undefined : { ...chunkOf(row), id, after: `more about ${row.title}` });
      },
    };
    return store as ChunkStore;
  }

  #adaptersOf(context: TenantContext): AdapterStore {
    const mine = (): readonly AdapterRow[] => this.adapterRows.filter((row) => !this.walls || row.tenantId === context.tenantId);
    const store: Partial<AdapterStore> = {
      getMany: (ids) => Promise.resolve(ids.map((id) => mine().find((row) => row.id === id))),
      page: (request) => Promise.resolve(pageOf(mine(), request)),
    };
    return store as AdapterStore;
  }

  #feedbackOf(context: TenantContext): FeedbackStore {
    const store: Partial<FeedbackStore> = { give: (messageId) => Promise.resolve(this.messages.some((row) => row.id === messageId && row.tenantId === context.tenantId)) };
    return store as FeedbackStore;
  }

  #conversationsOf(context: TenantContext, userId: string): ConversationStore {
    const mine = (): typeof this.conversations => this.conversations.filter((row) => !this.walls || (row.tenantId === context.tenantId && row.userId === userId));
    const store: Partial<ConversationStore> = {
      start: (title) => {
        const row = { id: newId<ConversationId>("conversation"), tenantId: context.tenantId, title, createdAt: epoch, updatedAt: epoch, userId };
        this.conversations.push(row);
        return Promise.resolve(row);
      },
      getMany: (ids) => Promise.resolve(ids.map((id) => mine().find((row) => row.id === id))),
      page: (request) => Promise.resolve(pageOf(mine(), request)),
      messages: (id, request) => Promise.resolve(pageOf(this.messages.filter((row) => row.conversationId === id), request)),
      clear: (id) => {
        const row = mine().find((candidate) => candidate.id === id);
        if (row !== undefined) this.conversations.splice(this.conversations.indexOf(row), 1);
        return Promise.resolve(row !== undefined);
      },
    };
    return store as ConversationStore;
  }
}

export function pageOf<Item extends { readonly id: string }>(rows: readonly Item[], { first, after }: PageRequest): Page<Item> {
  const start = after === undefined ? 0 : rows.findIndex((row) => row.id === after) + 1;
  const items = rows.slice(start, start + first).map((item) => ({ item, cursor: item.id }));
  return { items, hasNextPage: rows.length > start + first };
}

function chunkOf(row: DocumentRow): ChunkRow {
  return { id: newId<ChunkId>("chunk"), tenantId: row.tenantId, documentId: row.id, ordinal: 0, text: `about ${row.title}`, headings: [] };
}
