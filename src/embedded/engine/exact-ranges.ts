/*
 * When index keys alone say which documents match, so that none need be looked at.
 * Before it: planner.ts; after it: count-documents.ts and collection-reader.ts.
 */
import type { Doc } from "../semantics/bson-codec.js";
import { isOperatorObject, KIND, kindOf } from "../semantics/bson-kinds.js";
import { encodeKey } from "../semantics/key-encoding.js";
import type { IndexState } from "./index-state.js";
import { TUPLE_BYTES_MAX } from "./keys.js";
import { asNumber } from "./values.js";

/**
 * True when the filter is nothing but equalities on the index's first fields, which `heads` spell out:
 * then an entry lies in a head's range exactly if its document matches. Dotted paths are left to the
 * matcher, since arrays on the way change what they mean.
 */
export function areExact(index: IndexState, filter: Doc, heads: readonly (readonly unknown[])[]): boolean {
  const used = heads[0]?.length ?? 0;
  const fixed = index.paths.slice(0, used);
  const conditions = Object.entries(filter);
  if (used === 0 || conditions.length !== used) return false;
  if (!conditions.every(([path, condition]) => fixed.includes(path) && !path.includes(".") && isScalarEquality(condition))) return false;
  // A longer head would be cut, and a cut range holds keys on either side of it.
  return heads.every((head) => encodeKey(head, index.directions).length <= TUPLE_BYTES_MAX);
}

function isScalarEquality(condition: unknown): boolean {
  if (!isOperatorObject(condition)) return isScalar(condition);
  const [[operator, operand] = ["", undefined], ...more] = Object.entries(condition);
  if (more.length > 0) return false;
  if (operator === "$eq") return isScalar(operand);
  return operator === "$in" && Array.isArray(operand) && operand.length > 0 && operand.every(isScalar);
}

/** Values whose key is theirs alone, and that nothing else equals: null also matches a missing field, an array its elements. */
function isScalar(value: unknown): boolean {
  const kind = kindOf(value);
  if (kind === KIND.number) return !Number.isNaN(asNumber(value));
  return kind === KIND.string || kind === KIND.boolean || kind === KIND.objectId;
}
