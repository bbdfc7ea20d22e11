/*
 * What a collection demands of its documents: a query filter, in which $jsonSchema may stand.
 * Before it: the collection's options; after it: every insert and update.
 */
import { EngineError } from "../engine-error.js";
import type { Doc } from "../semantics/bson-codec.js";
import { compileMatcher } from "../semantics/matcher.js";
import { isDoc } from "./values.js";

export interface Validator {
  /** Whether updates of documents that were invalid before are let through. */
  moderate: boolean;
  accepts(doc: Doc): boolean;
}

export function compileValidator(options: Doc): Validator | undefined {
  const filter = options["validator"];
  if (!isDoc(filter) || Object.keys(filter).length === 0 || options["validationLevel"] === "off") return undefined;
  if (options["validationAction"] === "warn") return undefined;
  return { moderate: options["validationLevel"] === "moderate", accepts: compileMatcher(filter) };
}

/** Throws EngineError 121 DocumentValidationFailure. */
export function validate(validator: Validator | undefined, after: Doc, before?: Doc): void {
  if (!validator || validator.accepts(after)) return;
  if (before && validator.moderate && !validator.accepts(before)) return;
  throw new EngineError(121, "DocumentValidationFailure", "Document failed validation", [], {
    errInfo: { failingDocumentId: after["_id"], details: { operatorName: "$jsonSchema", reason: "document did not satisfy the collection's validator" } },
  });
}
