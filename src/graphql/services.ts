/**
 * What the resolvers call. Each port is named after its use case and is bound to the caller by the
 * context it takes; the composition root hands in the implementations. No port takes a tenant id
 * except the operator's.
 */
import type { Deadline } from "../kernel/deadline.js";
import type { AdapterId, ChunkId, ConversationId, DocumentId, TenantId } from "../kernel/ids.js";
import type { Page, PageRequest } from "../kernel/page.js";
import type { Refusal } from "../kernel/refusal.js";
import type { FinishReason } from "../inference/inference-backend.js";
import type { LatencyAttribution, LatencyQuestion } from "../insights/attribute-latency.js";
import type { Heatmap, HeatmapQuestion } from "../insights/tenant-heatmap.js";
import type { BudgetView } from "../quotas/budgets.js";
import type { RerateInput, RerateResult } from "../usage/rerate-usage.js";
import type { UsageExport } from "../usage/usage-export.js";
import type { UsageRange } from "../usage/usage-range.js";
import type { UsageReport, UsageReportInput } from "../usage/usage-report.js";
import type { PlacementMoveRow } from "../storage/control/control-plane.js";
import type { ErasureRow } from "../storage/control/erasure-rows.js";
import type { AuditTrigger, IsolationReportRow } from "../storage/control/isolation-report-rows.js";
import type { SiloIsolation } from "../storage/silo-provider.js";
import type { AdapterRow } from "../storage/adapter-rows.js";
import type { SearchFilter } from "../storage/narrowing-filter.js";
import type { ChunkRow, DocumentRow, MediaType, TenantStore } from "../storage/tenant-store.js";
import type { TenantContext } from "../tenancy/tenant-context.js";
import type { TenantRecord, TenantState } from "../tenancy/tenant-record.js";
import type { HomeKind, Tier } from "../tenancy/tier-policy.js";

export interface Services {
  readonly stores: TenantStores;
  readonly ingestion: DocumentIngestion;
  readonly ingestionProgress: IngestionProgress;
  readonly adapters: AdapterTraining;
  readonly adapterFiles: AdapterFiles;
  readonly answers: QuestionAnswering;
  readonly answerStreams: AnswerStreaming;
  readonly search: DocumentSearch;
  readonly quotas: QuotaView;
  readonly budgets: TenantBudgets;
  readonly usage: UsageReports;
  readonly usageExports: UsageExports;
  readonly rerating: UsageRerating;
  readonly tenants: TenantAdministration;
  readonly moves: PlacementMoves;
  readonly erasure: TenantErasure;
  readonly keys: KeyRotations;
  readonly heatmaps: Heatmaps;
  readonly latency: LatencyAttributions;
  readonly audits: IsolationAudits;
  readonly alarms: AlarmView;
}

export interface TenantStores {
  read<T>(context: TenantContext, deadline: Deadline, work: (store: TenantStore) => Promise<T>): Promise<T>;
  /** `work` may run more than once while the tenant moves; it lands once. */
  write<T>(context: TenantContext, deadline: Deadline, work: (store: TenantStore) => Promise<T>): Promise<T>;
}

export interface IngestInput {
  readonly title: string;
  readonly content: Uint8Array;
  readonly mediaType: MediaType;
  readonly tags: readonly string[];
}

export interface DocumentIngestion {
  /** Resolves when the document is stored, before it is processed. Throws `LIMIT_EXCEEDED`, `BAD_USER_INPUT`. */
  accept(context: TenantContext, deadline: Deadline, input: IngestInput): Promise<DocumentRow>;
  retry(context: TenantContext, deadline: Deadline, id: DocumentId): Promise<DocumentRow>;
}

export interface AdapterTraining {
  /**
   * Resolves when the adapter is in the tenant's store, before anything is trained. Throws `BAD_USER_INPUT`
   * for a model that cannot be trained, `LIMIT_EXCEEDED` for too few examples or too many adapters,
   * `CONFLICT` while another is being trained or where the deployment trains none.
   */
  train(context: TenantContext, deadline: Deadline, input: { readonly name: string; readonly baseModel: string }): Promise<AdapterRow>;
  /** Resolves when it is missing for everyone; what the provider holds is removed after. Throws `NOT_FOUND`. */
  remove(context: TenantContext, deadline: Deadline, id: AdapterId): Promise<void>;
}

export interface AdapterFiles {
  /** Throws `BAD_USER_INPUT`, or `LIMIT_EXCEEDED` for too many adapters. */
  import(context: TenantContext, deadline: Deadline, input: { readonly name: string; readonly baseModel: string; readonly file: Buffer }): Promise<AdapterRow>;
  /** Throws `NOT_FOUND` for an adapter that is not the tenant's, or was not imported. */
  export(context: TenantContext, deadline: Deadline, id: AdapterId): Promise<Buffer>;
}

export interface IngestionProgress {
  /** The document at once, then again after each change, until it is `READY` or `FAILED`. */
  watch(context: TenantContext, id: DocumentId, signal: AbortSignal): AsyncIterable<DocumentRow>;
}

export interface AskInput {
  readonly question: string;
  readonly conversationId?: ConversationId;
  readonly model?: string;
  readonly adapterId?: AdapterId;
  readonly maxTokens?: number;
  readonly idempotencyKey?: string;
}

export interface Answered {
  readonly kind: "ANSWER";
  readonly id: string;
  readonly text: string;
  readonly finishReason: FinishReason;
  readonly citations: readonly { readonly documentId: DocumentId; readonly chunkId: ChunkId; readonly snippet: string; readonly score: number }[];
  readonly usage: { readonly promptTokens: number; readonly completionTokens: number; readonly costMicroUsd: number };
  readonly cached: boolean;
  readonly replayed: boolean;
  readonly model: string;
  readonly conversationId?: ConversationId;
  readonly latency: { readonly totalMs: number; readonly stages: readonly { readonly name: string; readonly ms: number }[] };
}

export interface QuestionAnswering {
  /** `path` is the response path of the field that asks: with the request id it names one spending. */
  run(context: TenantContext, deadline: Deadline, input: AskInput, path: string): Promise<Answered | Refusal>;
}

/** Ends with one `ANSWER` or `REFUSAL`, unless it throws. */
export type AnswerEvent =
  | { readonly kind: "STARTED"; readonly id: string; readonly model: string }
  | { readonly kind: "DELTA"; readonly text: string }
  | Answered
  | Refusal;

export interface AnswerStreaming {
  /** Goes on for a client that comes back. `deadline` is the listener's. Throws `BAD_USER_INPUT` without `idempotencyKey`. */
  stream(context: TenantContext, deadline: Deadline, input: AskInput, path: string): AsyncIterable<AnswerEvent>;
}

export type SearchMode = "VECTOR" | "TEXT" | "HYBRID";

export interface RankedPassage {
  readonly chunk: ChunkRow;
  readonly score: number;
  readonly vectorScore?: number;
  readonly textScore?: number;
}

export interface DocumentSearch {
  run(
    context: TenantContext,
    deadline: Deadline,
    input: { query: string; first: number; filter: SearchFilter; mode: SearchMode },
    path: string,
  ): Promise<{ readonly kind: "HITS"; readonly hits: readonly RankedPassage[] } | Refusal>;
}

export interface QuotaWindow {
  readonly limit: number;
  readonly remaining: number;
  readonly resetsAt: Date;
}

export interface QuotaView {
  view(context: TenantContext): Promise<{ readonly requests: QuotaWindow; readonly tokens: QuotaWindow & { readonly reserved: number } }>;
}

export interface TenantBudgets {
  /** Undefined when there is no budget. Throws `SERVICE_UNAVAILABLE`. */
  view(context: TenantContext): Promise<BudgetView | undefined>;
  /** What is left out has the tier's. Throws `BAD_USER_INPUT` for more than that. */
  set(context: TenantContext, budget: { readonly day?: number; readonly month?: number }): Promise<void>;
}

export interface UsageReports {
  /** An admin sees the tenant's calls, anyone else their own alone. Throws `BAD_USER_INPUT` for a range that is none. */
  run(context: TenantContext, deadline: Deadline, input: UsageReportInput): Promise<UsageReport>;
}

export interface UsageExports {
  /** Whose rows: as `UsageReports`. Throws `BAD_USER_INPUT` for a range that is none. */
  run(context: TenantContext, deadline: Deadline, input: UsageRange): Promise<UsageExport>;
}

/** An operator's operation. */
export interface UsageRerating {
  /** Goes on as long as the deadline lets it. Throws `BAD_USER_INPUT`. */
  run(input: RerateInput, deadline: Deadline): Promise<RerateResult>;
}

/** Operator's operations. Ids come from outside and are `unknown` until they have been parsed. */
export interface TenantAdministration {
  create(input: { id: unknown; name: string; tier: Tier; placement?: HomeKind; cluster?: string }): Promise<TenantRecord>;
  find(id: unknown): Promise<TenantRecord | undefined>;
  page(request: PageRequest, filter: { tiers?: readonly Tier[]; states?: readonly TenantState[] }): Promise<Page<TenantRecord>>;
  changeTier(id: unknown, tier: Tier, cluster?: string): Promise<{ tenant: TenantRecord; move?: PlacementMoveRow }>;
  suspend(id: unknown): Promise<TenantRecord>;
  reactivate(id: unknown): Promise<TenantRecord>;
  /** The move under way, or else the last one. */
  latestMove(id: TenantId): Promise<PlacementMoveRow | undefined>;
  /** Undefined in the pool. */
  isolation(record: TenantRecord): Promise<SiloIsolation | undefined>;
}

export interface PlacementMoves {
  find(id: unknown): Promise<PlacementMoveRow | undefined>;
  /** The move at once, then again after each change, until it has ended. */
  watch(id: unknown, signal: AbortSignal): AsyncIterable<PlacementMoveRow>;
  cancel(id: unknown): Promise<PlacementMoveRow>;
  revert(id: unknown): Promise<PlacementMoveRow>;
}

export interface TenantErasure {
  /** Waits as long as the deadline lets it and gives the receipt as it stands then. */
  erase(id: unknown, deadline: Deadline): Promise<{ readonly tenant: TenantRecord; readonly receipt: ErasureRow }>;
  find(id: unknown): Promise<ErasureRow | undefined>;
}

export interface IsolationAudits {
  /** Begins one, at least so many probes long, or gives the one under way on any server. Throws `SERVICE_UNAVAILABLE`. */
  begin(trigger: AuditTrigger, probes?: number): Promise<IsolationReportRow>;
  find(id: string): Promise<IsolationReportRow | undefined>;
  /** The latest that has ended. */
  latest(): Promise<IsolationReportRow | undefined>;
  /** Newest first. */
  page(request: PageRequest): Promise<Page<IsolationReportRow>>;
}

export interface AlarmView {
  /** Oldest first. */
  recentAlarms(): readonly { readonly name: string; readonly at: Date; readonly fields: Readonly<Record<string, unknown>> }[];
}

export interface Heatmaps {
  /** Throws `BAD_USER_INPUT`. */
  run(question: HeatmapQuestion): Promise<Heatmap>;
}

export interface LatencyAttributions {
  /** Throws `BAD_USER_INPUT`, `NOT_FOUND`. */
  run(question: LatencyQuestion): Promise<LatencyAttribution>;
}

export interface KeyRotations {
  /** `rotation` is undefined when it goes on beyond the deadline. */
  rotate(id: unknown, deadline: Deadline): Promise<{ readonly tenant: TenantRecord; readonly rotation: { readonly version: number; readonly rows: number } | undefined }>;
}
