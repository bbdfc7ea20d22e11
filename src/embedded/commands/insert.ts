import { insertDocument } from "../engine/document-writer.js";
import { withId } from "../engine/with-id.js";
import type { StoredDocument } from "../engine/work-unit.js";
import { flag } from "../engine/values.js";
import { encode, type Doc } from "../semantics/bson-codec.js";
import { collectionName, refuseBatchSize, sentDocuments, type Command } from "./command.js";
import { runStatements, runWrite, type WriteScope } from "./write-runner.js";

export const insert: Command = {
  name: "insert",
  fields: ["documents", "ordered", "bypassDocumentValidation"],
  inTransaction: true,
  served: "ordered and unordered, retryable, bypassDocumentValidation",
  run: async (context) => {
    const name = collectionName(context, "insert");
    const documents = sentDocuments(context, "documents");
    refuseBatchSize(documents.length);
    const validated = flag(context.body, "bypassDocumentValidation");
    return runWrite(context, name, true, async (scope) => {
      const result = await runStatements(context, scope, documents.length, (at) => insertOne(scope, documents[at], validated));
      const errors = result.writeErrors.length > 0 ? { writeErrors: result.writeErrors } : {};
      return { n: result.outcomes.size, ...errors, ok: 1 };
    });
  },
};

async function insertOne({ unit, collection }: WriteScope, sent: StoredDocument | undefined, validated: boolean): Promise<Doc> {
  if (!collection || !sent) return { n: 0 };
  const { doc, moved } = withId(sent.doc);
  const stored = moved ? { doc, bytes: encode(doc) } : sent;
  while ((await insertDocument(unit, collection, stored, { validated })) === "restart");
  return { n: 1 };
}
