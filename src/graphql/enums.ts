/** The enums of the schema. A key is the name callers write, a value what the code below speaks. */
import "reflect-metadata";
import { registerEnumType } from "type-graphql";
import { errorCatalogue, type ErrorCode } from "../kernel/errors.js";
import type { AdapterOrigin, AdapterState, Rating } from "../storage/adapter-rows.js";
import type { MovePhase } from "../storage/control/control-plane.js";
import type { ErasurePhase, ErasureStatus } from "../storage/control/erasure-rows.js";
import type { SiloIsolation } from "../storage/silo-provider.js";
import type { TenantState } from "../tenancy/tenant-record.js";

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
    MOVING: { description: "On its way between pool and silo. Reads and writes are served; writes wait for some milliseconds at the switch." },
    SILO: { description: "In a database of its own." },
  },
});

export const homeEnum = { POOL: "POOL", SILO: "SILO" } as const;
registerEnumType(homeEnum, { name: "Home", description: "A place where a tenant's data can be at home: the shared pool or a silo of its own." });

export const tenantStateEnum = { ACTIVE: "ACTIVE", SUSPENDED: "SUSPENDED", ERASING: "ERASING", ERASED: "ERASED" } as const satisfies Record<TenantState, TenantState>;
registerEnumType(tenantStateEnum, {
  name: "TenantState",
  description: "Whether a tenant's callers are served.",
  valuesConfig: {
    SUSPENDED: { description: "Refused with `TENANT_SUSPENDED`. Everything is kept, and `reactivateTenant` brings it back." },
    ERASING: { description: "Answered like a tenant that never was, while its data is being removed. Stays so when the erasure is `PARTIAL`." },
    ERASED: { description: "Nothing is left but its id, which is never given to another tenant." },
  },
});

export const erasureStatusEnum = { IN_PROGRESS: "IN_PROGRESS", COMPLETE: "COMPLETE", PARTIAL: "PARTIAL" } as const satisfies Record<ErasureStatus, ErasureStatus>;
registerEnumType(erasureStatusEnum, {
  name: "ErasureStatus",
  description: "How an erasure stands.",
  valuesConfig: {
    IN_PROGRESS: { description: "A server is at work on it; another takes over if that one dies." },
    COMPLETE: { description: "Every store was searched again and nothing was found." },
    PARTIAL: { description: "Something in `unreachable` could not be reached or did not go. `eraseTenant` again tries the rest." },
  },
});

export const erasurePhaseEnum = {
  STOPPING: "STOPPING", ENDING_MOVE: "ENDING_MOVE", CLOSING: "CLOSING", REMOVING: "REMOVING", FORGETTING: "FORGETTING", VERIFYING: "VERIFYING", ENDED: "ENDED",
} as const satisfies Record<ErasurePhase, ErasurePhase>;
registerEnumType(erasurePhaseEnum, {
  name: "ErasurePhase",
  description: "How far an erasure has come.",
  valuesConfig: {
    STOPPING: { description: "The tenant is not served any more, and every server is learning of it." },
    ENDING_MOVE: { description: "A placement move that was under way is being ended." },
    CLOSING: { description: "Its fences are being closed for good: nothing can be written any more." },
    REMOVING: { description: "Rows of the pool are being removed, silos dropped with their users and keys." },
    FORGETTING: { description: "Name, secrets, moves and counters are being removed." },
    VERIFYING: { description: "Every store is being searched again." },
    ENDED: { description: "`status` says how it ended." },
  },
});

export const siloCredentialEnum = { OWN: "OWN", SHARED: "SHARED" } as const satisfies Record<SiloIsolation["credential"], SiloIsolation["credential"]>;
registerEnumType(siloCredentialEnum, {
  name: "SiloCredential",
  description: "Who can open a silo's database.",
  valuesConfig: {
    OWN: { description: "A database user with rights to this silo alone. The pool's user and other silos' users are refused." },
    SHARED: { description: "The deployment lets the server make no users: one credential opens the pool and every silo, and only this server's own checks stand between them." },
  },
});

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

export const adapterStateEnum = {
  PREPARING: "PREPARING", UPLOADING: "UPLOADING", TRAINING: "TRAINING", IMPORTED: "IMPORTED", READY: "READY", FAILED: "FAILED",
} as const satisfies Record<AdapterState, AdapterState>;
registerEnumType(adapterStateEnum, {
  name: "AdapterState",
  description: "How far an adapter has come.",
  valuesConfig: {
    PREPARING: { description: "Examples are being gathered from the tenant's own feedback." },
    UPLOADING: { description: "The training file, or the file of weights, is on its way." },
    TRAINING: { description: "The provider trains it." },
    IMPORTED: { description: "Its weights are kept for the tenant. This server does not load weights: `ask` refuses it with `CONFLICT`." },
    READY: { description: "`ask` answers with it when given its id." },
    FAILED: { description: "`failure` says why." },
  },
});

export const adapterOriginEnum = { TRAINED: "TRAINED", FILE: "FILE" } as const satisfies Record<AdapterOrigin, AdapterOrigin>;
registerEnumType(adapterOriginEnum, { name: "AdapterOrigin", description: "Where an adapter comes from: trained here from the tenant's own feedback, or imported as a file of weights." });

export const ratingEnum = { GOOD: "GOOD", BAD: "BAD" } as const satisfies Record<Rating, Rating>;
registerEnumType(ratingEnum, { name: "Rating", description: "What a user thinks of an answer." });

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

const codes = Object.keys(errorCatalogue) as ErrorCode[];
/** One for refusals and failures: a document selects `code` of both, and GraphQL wants one type of it. */
export const errorCodeEnum = Object.fromEntries(codes.map((code) => [code, code])) as Readonly<Record<ErrorCode, ErrorCode>>;
registerEnumType(errorCodeEnum, {
  name: "ErrorCode",
  description: "The catalogue of errors and refusals, the same words as `extensions.code`. README has a section for each.",
  valuesConfig: {
    RATE_LIMITED: { description: "A limit of the tier is used up for now; `retryAfterMs` says until when." },
    BUDGET_EXCEEDED: { description: "The tenant's budget is used up." },
    OVERLOADED: { description: "The models are busy with a queue longer than the deadline." },
    GUARDRAIL_BLOCKED: { description: "A safety rule refused the question or the answer." },
    DOCUMENT_NOT_TRUSTED: { description: "The server runs trusted documents alone, and this is none." },
    STREAM_STALLED: { description: "The model began and fell silent." },
    STREAM_TRUNCATED: { description: "The model's answer broke off before its end." },
  },
});

export const movePhaseEnum = {
  PREPARING: "PREPARING", COPYING: "COPYING", FOLLOWING: "FOLLOWING", VERIFYING: "VERIFYING", SWITCHING: "SWITCHING", OBSERVING: "OBSERVING",
  RETIRING: "RETIRING", CANCELLING: "CANCELLING", DONE: "DONE", FAILED: "FAILED", CANCELLED: "CANCELLED", REVERTED: "REVERTED",
} as const satisfies Record<MovePhase, MovePhase>;
registerEnumType(movePhaseEnum, {
  name: "MovePhase",
  description: "How far a move between pool and silo has come. It ends `DONE`, `FAILED`, `CANCELLED` or `REVERTED`.",
  valuesConfig: {
    PREPARING: { description: "The new home is being made: database, indexes, and for a silo a user and a key." },
    COPYING: { description: "Rows are being copied. The tenant reads and writes as before." },
    FOLLOWING: { description: "What was written meanwhile is being brought after." },
    VERIFYING: { description: "Counts, content hashes and search results of both homes are being compared." },
    SWITCHING: { description: "Writes wait for some milliseconds while the last of them are copied and the new home takes over." },
    OBSERVING: { description: "The tenant lives in its new home; the old one is kept, and `revertPlacementMove` goes back." },
    RETIRING: { description: "The old home's rows are being removed, or its silo dropped." },
    CANCELLING: { description: "The move is being undone; the tenant lives where it did." },
    DONE: { description: "The tenant lives in its new home." },
    FAILED: { description: "The move was given up; the tenant lives where it did." },
    CANCELLED: { description: "An operator called it back before the switch; the tenant lives where it did." },
    REVERTED: { description: "An operator called it back after the switch; the tenant lives where it did, with what was written meanwhile." },
  },
});
