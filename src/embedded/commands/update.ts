import { EngineError } from "../engine-error.js";
import { updateDocuments, type UpdateStatement } from "../engine/update-documents.js";
import { docArray, flag, isDoc, optionalDoc } from "../engine/values.js";
import { badValue, typeMismatch } from "../engine/errors.js";
import type { Doc } from "../semantics/bson-codec.js";
import { asNumber } from "../engine/values.js";
import { collectionName, refuseBatchSize, sentDocuments, type Command } from "./command.js";
import { hintOf, refuseCollation } from "./query-options.js";
import { refuseUnknownStatementFields } from "./statement-fields.js";
import { runStatements, runWrite } from "./write-runner.js";

const STATEMENT_FIELDS = ["q", "u", "multi", "upsert", "arrayFilters", "hint", "collation", "sort", "c"];

export const update: Command = {
  name: "update",
  fields: ["updates", "ordered", "let", "bypassDocumentValidation"],
  inTransaction: true,
  served: "operators, replacement, pipeline, multi, upsert, arrayFilters, hint, sort, let; refused: collation, constants (c)",
  run: async (context) => {
    const name = collectionName(context, "update");
    const statements = sentDocuments(context, "updates").map(({ doc }) => parseStatement(doc, optionalDoc(context.body, "let")));
    refuseBatchSize(statements.length);
    const creates = statements.some((statement) => statement.upsert);
    return runWrite(context, name, creates, async (scope) => {
      const result = await runStatements(context, scope, statements.length, async (at) => {
        const statement = statements[at];
        if (!scope.collection || !statement) return { n: 0, nModified: 0 };
        const outcome = await updateDocuments(scope.unit, scope.collection, statement, context.breath);
        if (outcome.upsertedId !== undefined) return { n: 1, nModified: 0, upserted: outcome.upsertedId };
        return { n: outcome.matched, nModified: outcome.modified };
      });
      return replyOf(result.outcomes, result.writeErrors);
    });
  },
};

function replyOf(outcomes: ReadonlyMap<number, Doc>, writeErrors: readonly Doc[]): Doc {
  let n = 0;
  let nModified = 0;
  const upserted: Doc[] = [];
  for (const [index, outcome] of outcomes) {
    n += asNumber(outcome["n"]);
    nModified += asNumber(outcome["nModified"]);
    if ("upserted" in outcome) upserted.push({ index, _id: outcome["upserted"] });
  }
  return { n, nModified, ...(upserted.length > 0 ? { upserted } : {}), ...(writeErrors.length > 0 ? { writeErrors } : {}), ok: 1 };
}

function parseStatement(doc: Doc, variables: Doc | undefined): UpdateStatement {
  refuseUnknownStatementFields("update.updates", doc, STATEMENT_FIELDS);
  refuseCollation(doc);
  if (doc["c"] !== undefined) throw badValue("Constant values 'c' are not served by this engine");
  const filter = doc["q"];
  const change = doc["u"];
  if (!isDoc(filter)) throw typeMismatch("update.updates.q", filter, "object");
  const multi = flag(doc, "multi");
  if (multi && isReplacement(change)) throw new EngineError(9, "FailedToParse", "multi update is not supported for replacement-style update");
  return {
    filter,
    update: updateOf(change),
    multi,
    upsert: flag(doc, "upsert"),
    sort: optionalDoc(doc, "sort"),
    hint: hintOf(doc),
    let: variables,
    arrayFilters: doc["arrayFilters"] === undefined ? undefined : docArray(doc, "arrayFilters"),
  };
}

export function updateOf(change: unknown): Doc | Doc[] {
  if (isDoc(change)) return change;
  if (Array.isArray(change) && change.every(isDoc)) return change;
  throw new EngineError(9, "FailedToParse", "Update argument must be either an object or an array");
}

function isReplacement(change: unknown): boolean {
  return isDoc(change) && !Object.keys(change)[0]?.startsWith("$");
}
