/** The enums of the schema. A key is the name callers write, a value what the code below speaks. */
import "reflect-metadata";
import { registerEnumType } from "type-graphql";
import type { MovePhase } from "../storage/control/control-plane.js";

export const tierEnum = { FREE: "FREE", PRO: "PRO", ENTERPRISE: "ENTERPRISE" } as const;
registerEnumType(tierEnum, {
  name: "Tier",
  description: "What a tenant has bought. It sets limits, weight in the queue for models, and where data is at home.",
});

export const placementEnum = { POOL: "POOL", MOVING: "MOVING", SILO: "SILO" } as const;
registerEnumType(placementEnum, {
  name: "Placement",
  description: "Where a tenant's data is now.",
  valuesConfig: {
    POOL: { description: "In the shared database, apart by tenant in every index." },
    MOVING: { description: "On its way between pool and silo. Reads are served; writes wait for the switch." },
    SILO: { description: "In a database of its own." },
  },
});

export const homeEnum = { POOL: "POOL", SILO: "SILO" } as const;
registerEnumType(homeEnum, { name: "Home", description: "A place where a tenant's data can be at home: the shared pool or a silo of its own." });

export const tenantStateEnum = { ACTIVE: "ACTIVE", SUSPENDED: "SUSPENDED" } as const;
registerEnumType(tenantStateEnum, { name: "TenantState", description: "Whether a tenant's callers are served." });

export const roleEnum = { MEMBER: "member", ADMIN: "admin" } as const;
registerEnumType(roleEnum, {
  name: "Role",
  description: "What a caller may do within their tenant.",
  valuesConfig: {
    MEMBER: { description: "Read documents, search, ask, and see their own conversations, usage and quota." },
    ADMIN: { description: "All that a member may, and ingest and delete documents and see the whole tenant's usage." },
  },
});

export const mediaTypeEnum = { TEXT: "text/plain", MARKDOWN: "text/markdown", HTML: "text/html", PDF: "application/pdf" } as const;
registerEnumType(mediaTypeEnum, { name: "MediaType", description: "How a document's content is to be read." });

export const documentStateEnum = { PENDING: "PENDING", INDEXING: "INDEXING", READY: "READY", FAILED: "FAILED" } as const;
registerEnumType(documentStateEnum, {
  name: "DocumentState",
  description: "How far a document has come.",
  valuesConfig: {
    PENDING: { description: "Stored; its text is not extracted yet." },
    INDEXING: { description: "Extracted and embedded; search does not return it yet." },
    READY: { description: "Search returns it and answers can cite it." },
    FAILED: { description: "It could not be processed; `failure` says why, and `retryIngestion` tries again." },
  },
});

export const searchModeEnum = { VECTOR: "VECTOR", TEXT: "TEXT", HYBRID: "HYBRID" } as const;
registerEnumType(searchModeEnum, {
  name: "SearchMode",
  description: "How passages are found.",
  valuesConfig: {
    VECTOR: { description: "By meaning: nearness of embeddings." },
    TEXT: { description: "By words: BM25 over stemmed terms. Calls no model." },
    HYBRID: { description: "Both, fused. The default." },
  },
});

export const finishReasonEnum = { STOP: "STOP", LENGTH: "LENGTH", ABSTAINED: "ABSTAINED" } as const;
registerEnumType(finishReasonEnum, {
  name: "FinishReason",
  description: "Why an answer ended.",
  valuesConfig: {
    STOP: { description: "It was complete." },
    LENGTH: { description: "It reached `maxTokens`." },
    ABSTAINED: { description: "Nothing in the tenant's documents answers the question." },
  },
});

export const usageGroupingEnum = { MODEL: "MODEL", USER: "USER", OPERATION: "OPERATION", DAY: "DAY" } as const;
registerEnumType(usageGroupingEnum, {
  name: "UsageGrouping",
  description: "What a usage report sums by.",
  valuesConfig: {
    USER: { description: "By pseudonym: a keyed hash, not the user's name." },
    DAY: { description: "By day in UTC." },
  },
});

export const refusalCodeEnum = {
  RATE_LIMITED: "RATE_LIMITED",
  BUDGET_EXCEEDED: "BUDGET_EXCEEDED",
  OVERLOADED: "OVERLOADED",
  GUARDRAIL_BLOCKED: "GUARDRAIL_BLOCKED",
} as const;
registerEnumType(refusalCodeEnum, {
  name: "RefusalCode",
  description: "Why a question was not answered, although nothing failed.",
  valuesConfig: {
    RATE_LIMITED: { description: "A limit of the tier is used up for now; `retryAfterMs` says until when." },
    BUDGET_EXCEEDED: { description: "The tenant's budget is used up." },
    OVERLOADED: { description: "The models are busy with a queue longer than the deadline." },
    GUARDRAIL_BLOCKED: { description: "A safety rule refused the question or the answer." },
  },
});

export const movePhaseEnum = {
  PREPARING: "PREPARING", PAUSING: "PAUSING", COPYING: "COPYING", VERIFYING: "VERIFYING",
  SWITCHING: "SWITCHING", RETIRING: "RETIRING", CANCELLING: "CANCELLING", DONE: "DONE", FAILED: "FAILED",
} as const satisfies Record<MovePhase, MovePhase>;
registerEnumType(movePhaseEnum, {
  name: "MovePhase",
  description: "How far a move between pool and silo has come.",
  valuesConfig: {
    PREPARING: { description: "The new home and its indexes are being made." },
    PAUSING: { description: "The tenant's writes are being held back; reads are served." },
    COPYING: { description: "Rows are being copied." },
    VERIFYING: { description: "Counts and content hashes of both homes are being compared." },
    SWITCHING: { description: "The directory is being pointed at the new home; writes resume there." },
    RETIRING: { description: "The old home's rows are being removed." },
    CANCELLING: { description: "The move is being undone; the tenant lives where it did." },
    DONE: { description: "The tenant lives in its new home." },
    FAILED: { description: "The move was given up; the tenant lives where it did." },
  },
});
