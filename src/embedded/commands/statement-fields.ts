/*
 * Statements inside write commands are as strict about unknown fields as commands are.
 * Before it: update.ts and delete.ts; after it: their statements.
 */
import { EngineError } from "../engine-error.js";
import type { Doc } from "../semantics/bson-codec.js";

/** Throws EngineError 40415 for a field that is not in `fields`. */
export function refuseUnknownStatementFields(where: string, doc: Doc, fields: readonly string[]): void {
  for (const field of Object.keys(doc)) {
    if (!fields.includes(field)) throw new EngineError(40415, "Location40415", `BSON field '${where}.${field}' is an unknown field.`);
  }
}
