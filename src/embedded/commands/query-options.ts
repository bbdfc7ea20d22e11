/*
 * Options that several commands share.
 * Before it: a command's body; after it: planner.ts and the semantics.
 */
import { notServed } from "../engine/errors.js";
import { isDoc } from "../engine/values.js";
import type { Doc } from "../semantics/bson-codec.js";

/** The simple collation is no collation; any other orders strings in ways the indexes here do not. */
export function refuseCollation(body: Doc): void {
  const collation = body["collation"];
  if (collation === undefined) return;
  if (isDoc(collation) && (Object.keys(collation).length === 0 || collation["locale"] === "simple")) return;
  throw notServed("collation");
}

export function hintOf(body: Doc): string | Doc | undefined {
  const hint = body["hint"];
  if (typeof hint === "string" && hint !== "") return hint;
  if (isDoc(hint) && Object.keys(hint).length > 0) return hint;
  return undefined;
}
