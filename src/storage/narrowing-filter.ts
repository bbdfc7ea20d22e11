import { badUserInput } from "../kernel/errors.js";
import { describe, isWellFormedId, type DocumentId } from "../kernel/ids.js";
import type { DocumentState, MediaType } from "./tenant-store.js";

/**
 * A caller's filter. Its fields are fixed and its values are plain scalars, so that it can narrow
 * what the store selects and never widen it: there is no place for an operator or a path.
 */
export interface SearchFilter {
  readonly documentIds?: readonly DocumentId[];
  readonly mediaTypes?: readonly MediaType[];
  /** Documents that carry every one of these tags. */
  readonly tags?: readonly string[];
}

export interface DocumentFilter extends Omit<SearchFilter, "documentIds"> {
  readonly states?: readonly DocumentState[];
  readonly titleContains?: string;
}

const valuesMax = 100;
const textCharsMax = 256;
const mediaTypes: readonly MediaType[] = ["text/plain", "text/markdown", "text/html", "application/pdf"];
const states: readonly DocumentState[] = ["PENDING", "INDEXING", "READY", "FAILED"];

/**
 * Checks a filter that came from outside. Unknown fields (`$ne`, `a.b`, `__proto__`, `tenant_id`)
 * and values that are not plain strings are refused with `BAD_USER_INPUT`, never dropped: a filter
 * that silently lost a condition would answer with more than was asked for.
 */
export function parseSearchFilter(input: unknown): SearchFilter {
  const fields = ownFields(input, ["documentIds", "mediaTypes", "tags"]);
  return Object.freeze({
    ...(fields.documentIds === undefined ? {} : { documentIds: strings("filter.documentIds", fields.documentIds).filter((id): id is DocumentId => isWellFormedId("document", id)) }),
    ...(fields.mediaTypes === undefined ? {} : { mediaTypes: oneOf("filter.mediaTypes", fields.mediaTypes, mediaTypes) }),
    ...(fields.tags === undefined ? {} : { tags: strings("filter.tags", fields.tags) }),
  });
}

export function parseDocumentFilter(input: unknown): DocumentFilter {
  const fields = ownFields(input, ["mediaTypes", "tags", "states", "titleContains"]);
  return Object.freeze({
    ...(fields.mediaTypes === undefined ? {} : { mediaTypes: oneOf("filter.mediaTypes", fields.mediaTypes, mediaTypes) }),
    ...(fields.tags === undefined ? {} : { tags: strings("filter.tags", fields.tags) }),
    ...(fields.states === undefined ? {} : { states: oneOf("filter.states", fields.states, states) }),
    ...(fields.titleContains === undefined ? {} : { titleContains: withoutNull("filter.titleContains", text("filter.titleContains", fields.titleContains)) }),
  });
}

function ownFields(input: unknown, allowed: readonly string[]): Record<string, unknown> {
  if (input === undefined || input === null) return {};
  if (typeof input !== "object" || Array.isArray(input)) throw badUserInput("filter", describe(input), "an object");
  const fields: Record<string, unknown> = {};
  // Own keys by Reflect, so that neither a getter on a prototype nor an own `__proto__` slips through.
  for (const key of Reflect.ownKeys(input)) {
    if (typeof key !== "string" || !allowed.includes(key)) {
      throw badUserInput("filter", `the field ${describe(String(key))}`, `only ${allowed.join(", ")}`);
    }
    const value: unknown = (input as Record<string, unknown>)[key];
    if (value !== undefined && value !== null) fields[key] = value;
  }
  return fields;
}

function strings(field: string, value: unknown): readonly string[] {
  if (!Array.isArray(value) || value.length > valuesMax) throw badUserInput(field, Array.isArray(value) ? `${value.length} values` : describe(value), `a list of at most ${valuesMax} texts`);
  return Object.freeze(value.map((item: unknown) => text(field, item)));
}

function text(field: string, value: unknown): string {
  if (typeof value !== "string" || value.length === 0 || value.length > textCharsMax) {
    throw badUserInput(field, describe(value), `a text of 1 to ${textCharsMax} characters`);
  }
  return value;
}

/** It becomes a regular expression, and MongoDB refuses one with a null in it as a fault of the server's. */
function withoutNull(field: string, value: string): string {
  if (value.includes("\0")) throw badUserInput(field, describe(value), "a text without a null character");
  return value;
}

function oneOf<Value extends string>(field: string, value: unknown, allowed: readonly Value[]): readonly Value[] {
  return strings(field, value).map((item) => {
    const known = allowed.find((candidate) => candidate === item);
    if (known === undefined) throw badUserInput(field, describe(item), `one of ${allowed.join(", ")}`);
    return known;
  });
}
