import { deleteDocuments, type DeleteStatement } from "../engine/delete-documents.js";
import { badValue, typeMismatch } from "../engine/errors.js";
import { asNumber, isDoc, isNumber, optionalDoc } from "../engine/values.js";
import type { Doc } from "../semantics/bson-codec.js";
import { collectionName, refuseBatchSize, sentDocuments, type Command } from "./command.js";
import { hintOf, refuseCollation } from "./query-options.js";
import { refuseUnknownStatementFields } from "./statement-fields.js";
import { runStatements, runWrite } from "./write-runner.js";

export const deleteCommand: Command = {
  name: "delete",
  fields: ["deletes", "ordered", "let"],
  inTransaction: true,
  served: "limit 0 and 1, hint, let; refused: collation",
  run: async (context) => {
    const name = collectionName(context, "delete");
    const statements = sentDocuments(context, "deletes").map(({ doc }) => parseStatement(doc, optionalDoc(context.body, "let")));
    refuseBatchSize(statements.length);
    return runWrite(context, name, false, async (scope) => {
      const result = await runStatements(context, scope, statements.length, async (at) => {
        const statement = statements[at];
        if (!scope.collection || !statement) return { n: 0 };
        const { deleted } = await deleteDocuments(scope.unit, scope.collection, statement, context.breath);
        return { n: deleted };
      });
      const n = [...result.outcomes.values()].reduce((sum, outcome) => sum + asNumber(outcome["n"]), 0);
      return { n, ...(result.writeErrors.length > 0 ? { writeErrors: result.writeErrors } : {}), ok: 1 };
    });
  },
};

function parseStatement(doc: Doc, variables: Doc | undefined): DeleteStatement {
  refuseUnknownStatementFields("delete.deletes", doc, ["q", "limit", "hint", "collation"]);
  refuseCollation(doc);
  const filter = doc["q"];
  if (!isDoc(filter)) throw typeMismatch("delete.deletes.q", filter, "object");
  const limit = doc["limit"];
  if (!isNumber(limit) || (asNumber(limit) !== 0 && asNumber(limit) !== 1)) {
    throw badValue(`The limit field in delete objects must be 0 or 1. Got ${String(limit)}`);
  }
  return { filter, multi: asNumber(limit) === 0, hint: hintOf(doc), let: variables };
}
