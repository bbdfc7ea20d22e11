import { EngineError } from "../engine-error.js";
import { deleteDocuments } from "../engine/delete-documents.js";
import { updateDocuments } from "../engine/update-documents.js";
import { docArray, flag, optionalDoc } from "../engine/values.js";
import type { Doc } from "../semantics/bson-codec.js";
import { compileProjection } from "../semantics/projection.js";
import { collectionName, type Command, type CommandContext } from "./command.js";
import { hintOf, refuseCollation } from "./query-options.js";
import { updateOf } from "./update.js";
import { runWrite, type WriteScope } from "./write-runner.js";

const FIELDS = ["query", "sort", "remove", "update", "new", "fields", "upsert", "arrayFilters", "let", "hint", "collation", "bypassDocumentValidation"];

export const findAndModify: Command = {
  name: "findAndModify",
  fields: FIELDS,
  inTransaction: true,
  served: "query, sort, remove, update, new, fields, upsert, arrayFilters, let, hint; refused: collation",
  run: async (context) => {
    const { body } = context;
    const name = collectionName(context, Object.keys(body)[0] ?? "findAndModify");
    refuseCollation(body);
    const remove = flag(body, "remove");
    refuseContradictions(body, remove);
    const creates = !remove && flag(body, "upsert");
    return runWrite(context, name, creates, async (scope) => {
      // A findAndModify is one statement: a retry gets the very reply of the first attempt.
      const recorded = scope.record?.outcomeOf(0);
      if (recorded) return recorded;
      const reply = remove ? await removeOne(context, scope) : await updateOne(context, scope);
      scope.record?.note(scope.unit, 0, reply);
      return reply;
    });
  },
};

function refuseContradictions(body: Doc, remove: boolean): void {
  const change = body["update"];
  if (remove === (change !== undefined)) {
    const message = remove ? "Cannot specify both an update and remove=true" : "Either an update or remove=true must be specified";
    throw new EngineError(9, "FailedToParse", message);
  }
  if (remove && flag(body, "new")) throw new EngineError(9, "FailedToParse", "Cannot specify both new=true and remove=true; 'remove' always returns the deleted document");
  if (remove && flag(body, "upsert")) throw new EngineError(9, "FailedToParse", "Cannot specify both upsert=true and remove=true");
}

async function removeOne({ body, breath }: CommandContext, { unit, collection }: WriteScope): Promise<Doc> {
  if (!collection) return { lastErrorObject: { n: 0 }, value: null, ok: 1 };
  const statement = { filter: optionalDoc(body, "query") ?? {}, multi: false, sort: optionalDoc(body, "sort"), hint: hintOf(body), let: optionalDoc(body, "let") };
  const { deleted, before } = await deleteDocuments(unit, collection, statement, breath);
  return { lastErrorObject: { n: deleted }, value: projected(body, before), ok: 1 };
}

async function updateOne({ body, breath }: CommandContext, { unit, collection }: WriteScope): Promise<Doc> {
  if (!collection) return { lastErrorObject: { n: 0, updatedExisting: false }, value: null, ok: 1 };
  const statement = {
    filter: optionalDoc(body, "query") ?? {},
    update: updateOf(body["update"]),
    multi: false,
    upsert: flag(body, "upsert"),
    sort: optionalDoc(body, "sort"),
    hint: hintOf(body),
    let: optionalDoc(body, "let"),
    arrayFilters: body["arrayFilters"] === undefined ? undefined : docArray(body, "arrayFilters"),
  };
  const outcome = await updateDocuments(unit, collection, statement, breath);
  const inserted = outcome.upsertedId !== undefined;
  const lastErrorObject = { n: outcome.matched + (inserted ? 1 : 0), updatedExisting: outcome.matched > 0, ...(inserted ? { upserted: outcome.upsertedId } : {}) };
  return { lastErrorObject, value: projected(body, flag(body, "new") ? outcome.after : outcome.before), ok: 1 };
}

function projected(body: Doc, doc: Doc | undefined): Doc | null {
  if (!doc) return null;
  const fields = optionalDoc(body, "fields");
  return fields && Object.keys(fields).length > 0 ? compileProjection(fields)(doc) : doc;
}
