import { randomFillSync } from "node:crypto";
import { badUserInput } from "./errors.js";

declare const brand: unique symbol;
type Branded<Name extends string> = string & { readonly [brand]: Name };

export type TenantId = Branded<"TenantId">;
export type UserId = Branded<"UserId">;
export type DocumentId = Branded<"DocumentId">;
export type ChunkId = Branded<"ChunkId">;
export type ConversationId = Branded<"ConversationId">;
export type AdapterId = Branded<"AdapterId">;
export type MoveId = Branded<"MoveId">;
export type RequestId = Branded<"RequestId">;

/**
 * Lower-case ASCII only, so that a tenant maps to one database, cache key and log label and no two
 * tenants to the same one: no case twins, no unicode twins, no separators that another name could
 * contain. 26 characters at most because Atlas allows 38 bytes for a database name on its small
 * clusters, and `bulkhead_t_` takes 11.
 */
const tenantIdPattern = /^[a-z0-9][a-z0-9-]{1,24}[a-z0-9]$/;

/** Throws `BAD_USER_INPUT`. Takes `unknown` because tokens and inputs are not to be trusted to be strings. */
export function parseTenantId(value: unknown): TenantId {
  if (typeof value !== "string" || !tenantIdPattern.test(value)) {
    throw badUserInput("tenantId", describe(value), "3 to 26 lower-case letters, digits or inner hyphens");
  }
  return value as TenantId;
}

/** Undefined for what cannot be a tenant's id, where that is to be answered like an id that is not taken. */
export function asTenantId(value: unknown): TenantId | undefined {
  return typeof value === "string" && tenantIdPattern.test(value) ? (value as TenantId) : undefined;
}

/** Users are named by the token's issuer, who may use whatever is printable. */
export function parseUserId(value: unknown): UserId {
  if (typeof value !== "string" || value.length === 0 || value.length > 256 || hasControlCharacter(value)) {
    throw badUserInput("sub", describe(value), "1 to 256 printable characters");
  }
  return value as UserId;
}

const idPrefixes = { document: "doc", chunk: "chk", conversation: "cnv", message: "msg", adapter: "adp", feedback: "fbk", move: "mov", request: "req", usage: "use", audit: "aud" } as const;
export type IdKind = keyof typeof idPrefixes;

const idBytes = 15;

/** Drawn in bulk: a call of the system for each id costs more than all else about it. */
const randomPool = Buffer.allocUnsafe(idBytes * 256);
let poolAt = randomPool.length;

/** An opaque id with 120 random bits: unguessable, and unique without asking a database. */
export function newId<Id extends string>(kind: IdKind): Id {
  if (poolAt === randomPool.length) {
    randomFillSync(randomPool);
    poolAt = 0;
  }
  const start = poolAt;
  poolAt += idBytes;
  return `${idPrefixes[kind]}_${randomPool.toString("base64url", start, poolAt)}` as Id;
}

/** Refused ids get no error of their own: the caller reports them exactly as a missing object. */
export function isWellFormedId(kind: IdKind, value: unknown): value is string {
  return typeof value === "string" && value.startsWith(`${idPrefixes[kind]}_`) && /^[a-z]{3}_[A-Za-z0-9_-]{20}$/.test(value);
}

function hasControlCharacter(value: string): boolean {
  for (let i = 0; i < value.length; i += 1) {
    const code = value.charCodeAt(i);
    if (code < 0x20 || code === 0x7f) return true;
  }
  return false;
}

/** What was got, short enough and safe enough to be shown and logged. */
export function describe(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value.length > 64 ? `${value.slice(0, 64)}…` : value);
  if (value === null) return "null";
  return Array.isArray(value) ? "an array" : typeof value;
}
