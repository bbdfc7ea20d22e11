/**
 * Who may read which field: one entry for every field of every type, denied when there is none.
 * Before it: a verified caller. After it: the resolver. `rule-coverage.ts` refuses a schema with a
 * field that is not listed here, so a new field is unreachable until someone has decided about it.
 */
import { rule, type IRule } from "graphql-shield";
import { forbidden, unauthenticated, type BulkheadError } from "../kernel/errors.js";
import type { TenantRole } from "../tenancy/verified-caller.js";
import type { RequestContext } from "./request-context.js";

export type FieldRule = { readonly kind: "ALLOW"; readonly reason: string } | { readonly kind: "RULE"; readonly name: string; readonly decide: Decision; readonly shield: IRule };
/** True, or why not. */
type Decision = (context: RequestContext) => true | BulkheadError;
export type FieldRules = Readonly<Record<string, Readonly<Record<string, FieldRule>>>>;

/** `no_cache`: shield's cache is keyed by the rule's name alone, and these decisions cost less than a look-up. */
function fieldRule(name: string, decide: Decision): FieldRule {
  return { kind: "RULE", name, decide, shield: rule(name, { cache: "no_cache" })((_parent: unknown, _args: unknown, context: RequestContext) => decide(context)) };
}

function tenantWith(allowed: readonly TenantRole[]): Decision {
  return (context) => {
    if (context.kind === "ANONYMOUS") return unauthenticated();
    return context.kind === "TENANT" && context.tenant.roles.some((role) => allowed.includes(role)) ? true : forbidden();
  };
}

const member = fieldRule("member", tenantWith(["member", "admin"]));
const admin = fieldRule("admin", tenantWith(["admin"]));
const operator = fieldRule("operator", (context) => {
  if (context.kind === "ANONYMOUS") return unauthenticated();
  return context.kind === "OPERATOR" ? true : forbidden();
});

/** Every field named gets the same entry. Named one by one on purpose: a wildcard would decide about fields nobody has seen. */
function each(entry: FieldRule, ...fields: string[]): Record<string, FieldRule> {
  return Object.fromEntries(fields.map((field) => [field, entry]));
}

function allow(reason: string, ...fields: string[]): Record<string, FieldRule> {
  return each({ kind: "ALLOW", reason }, ...fields);
}

const tagged = "the object's tenant tag is compared with the caller's before any of its fields is read";
const underRuled = "reached only through a field with a rule, and holds only what that field returned";

function connection(noun: string): Record<string, Record<string, FieldRule>> {
  return { [`${noun}Connection`]: allow(underRuled, "edges", "nodes", "pageInfo"), [`${noun}Edge`]: allow(underRuled, "cursor", "node") };
}

export const fieldRules: FieldRules = {
  Query: {
    ...each(member, "viewer", "quota", "documents", "document", "passage", "search", "conversations", "conversation", "usage", "adapters", "adapter"),
    ...each(operator, "tenants", "tenant", "placementMove", "erasure"),
    ...each(operator, "heatmap", "latencyAttribution"),
    ...each(operator, "isolationReport", "isolationReports", "alarms"),
  },
  Mutation: {
    ...each(member, "ask", "startConversation", "clearConversation", "exportUsage", "sendFeedback"),
    ...each(admin, "ingestDocument", "retryIngestion", "deleteDocument", "setBudget", "trainAdapter", "deleteAdapter"),
    ...each(operator, "createTenant", "changeTier", "suspendTenant", "reactivateTenant", "eraseTenant", "rotateTenantKey", "cancelPlacementMove", "revertPlacementMove", "rerateUsage"),
    ...each(operator, "runIsolationAudit"),
  },
  Subscription: { ...each(member, "answer", "ingestion"), ...each(operator, "placementMove") },

  Viewer: allow(underRuled, "user", "tenant", "tier", "placement", "roles"),
  ViewerTenant: allow(underRuled, "id", "name"),
  Quota: allow(underRuled, "requests", "tokens", "budget"),
  BudgetQuota: allow(underRuled, "day", "month", "warnings"),
  BudgetPeriodQuota: allow(underRuled, "limitMicroUsd", "limit", "spentMicroUsd", "spent", "reservedMicroUsd", "reserved", "remainingMicroUsd", "remaining", "resetsAt"),
  BudgetWarning: allow(underRuled, "period", "percent"),
  SetBudgetPayload: allow(underRuled, "quota"),
  RequestQuota: allow(underRuled, "limit", "remaining", "resetsAt"),
  TokenQuota: allow(underRuled, "limit", "remaining", "reserved", "resetsAt"),

  Document: allow(tagged, "id", "title", "mediaType", "tags", "state", "failure", "bytes", "chunkCount", "version", "contentSha256", "createdAt", "updatedAt"),
  DocumentFailure: allow(underRuled, "code", "message"),
  ...connection("Document"),
  IngestDocumentPayload: allow(underRuled, "document"),
  DeleteDocumentPayload: allow(underRuled, "documentId"),
  IngestionEvent: allow(underRuled, "document"),

  SearchResult: allow(underRuled, "mode", "hits"),
  SearchHit: allow(tagged, "document", "chunkId", "ordinal", "headings", "snippet", "score", "vectorScore", "textScore"),

  Passage: allow(tagged, "id", "document", "ordinal", "headings", "text", "before", "after"),

  Conversation: allow(tagged, "id", "title", "createdAt", "updatedAt", "messages"),
  Message: allow(tagged, "id", "question", "answer", "createdAt", "conversation"),
  ...connection("Conversation"),
  ...connection("Message"),
  StartConversationPayload: allow(underRuled, "conversation"),
  ClearConversationPayload: allow(underRuled, "conversationId"),

  FeedbackPayload: allow(underRuled, "messageId", "rating"),

  Adapter: allow(tagged, "id", "name", "baseModel", "origin", "state", "failure", "examples", "weights", "createdAt", "updatedAt"),
  AdapterFailure: allow(underRuled, "code", "message"),
  AdapterWeights: allow(underRuled, "bytes", "sha256"),
  ...connection("Adapter"),
  TrainAdapterPayload: allow(underRuled, "adapter"),
  DeleteAdapterPayload: allow(underRuled, "adapterId"),

  Answer: allow(underRuled, "id", "text", "finishReason", "citations", "usage", "cached", "replayed", "model", "conversation", "latency"),
  AnswerStarted: allow(underRuled, "id", "model"),
  AnswerDelta: allow(underRuled, "text"),
  AnswerFailed: allow(underRuled, "code", "message", "retryAfterMs", "requestId"),
  Citation: allow(tagged, "document", "chunkId", "snippet", "score"),
  AnswerUsage: allow(underRuled, "promptTokens", "completionTokens", "costMicroUsd", "cost"),
  AnswerLatency: allow(underRuled, "totalMs", "stages"),
  AnswerStage: allow(underRuled, "name", "ms"),
  Refusal: allow(underRuled, "code", "message", "retryAfterMs", "limit"),

  UsageReport: allow(underRuled, "from", "to", "groupBy", "groups", "total"),
  UsageGroup: allow(underRuled, "key", "total"),
  UsageTotal: allow(underRuled, "calls", "promptTokens", "completionTokens", "cachedPromptTokens", "reasoningTokens", "costMicroUsd", "cost"),
  UsageExport: allow(underRuled, "csv", "rows", "truncated"),

  // An operator's lists are short and rare: the rule on each field costs nothing that counts, and holds even if a root's entry were wrong.
  Tenant: each(operator, "id", "name", "tier", "state", "placement", "placementOverride", "placementEpoch", "isolation", "latestMove", "erasure", "createdAt"),
  TenantIsolation: each(operator, "credential", "keyVersion", "cluster"),
  ...connection("Tenant"),
  TenantPayload: each(operator, "tenant"),
  ChangeTierPayload: each(operator, "tenant", "placementMove"),
  PlacementMove: each(operator, "id", "tenantId", "from", "to", "fromTier", "toTier", "phase", "reverting", "copied", "total", "rowsPerSecond", "estimatedSecondsLeft", "writePauseMs", "failure", "startedAt", "switchedAt", "finishedAt"),
  PlacementMovePayload: each(operator, "placementMove"),
  EraseTenantPayload: each(operator, "tenant", "receipt"),
  ErasureReceipt: each(operator, "tenantId", "status", "phase", "removed", "kept", "unreachable", "startedAt", "verifiedAt", "finishedAt"),
  ErasedPart: each(operator, "store", "what", "count"),
  KeptPart: each(operator, "what", "why"),
  UnreachablePart: each(operator, "store", "reason"),
  RotateTenantKeyPayload: each(operator, "tenant", "finished", "keyVersion", "rowsResealed"),
  RerateUsagePayload: each(operator, "calls", "corrected", "differenceMicroUsd", "difference", "next"),
  PlacementMoveEvent: each(operator, "placementMove"),

  IsolationReport: each(operator, "id", "trigger", "state", "startedAt", "finishedAt", "probes", "leaks", "recall", "surfaces", "coverage", "findings", "failure"),
  AuditedSurface: each(operator, "name", "probes", "leaks", "recall"),
  AuditCoverage: each(operator, "fields", "covered", "uncovered"),
  LeakFinding: each(operator, "surface", "operation", "description", "at"),
  ...connection("IsolationReport"),
  RunIsolationAuditPayload: each(operator, "report"),
  Alarm: each(operator, "name", "at", "fields"),
  AlarmField: each(operator, "name", "value"),

  Heatmap: each(operator, "measure", "unit", "truncated", "from", "to", "bucketMinutes", "columns", "rows", "max", "suggestions"),
  HeatmapRow: each(operator, "tenant", "total", "cells", "refusals"),
  PlacementSuggestion: each(operator, "tenant", "placement", "reason"),
  LatencyAttribution: each(operator, "from", "to", "truncated", "requests", "verdict", "stages", "tenants"),
  LatencyVerdict: each(operator, "scope", "stage", "slowTenants", "because", "summary"),
  StageLatency: each(operator, "name", "share", "meanMs", "p50Ms", "p95Ms", "p99Ms"),
  TenantLatency: each(operator, "tenant", "requests", "p50Ms", "p95Ms", "p99Ms", "baselineP95Ms", "stages", "queueHeldBy"),
  QueueHolder: each(operator, "tenant", "work", "share", "ms"),

  PageInfo: allow("says where a page lies, nothing about what is on it", "hasNextPage", "hasPreviousPage", "startCursor", "endCursor"),
};

/** What an entry says where graphql-shield does not ask it: before a subscription, and outside GraphQL. Denied without one. */
export function verdictOf(entry: FieldRule | undefined, context: RequestContext): true | BulkheadError {
  return entry?.kind === "RULE" ? entry.decide(context) : forbidden();
}
