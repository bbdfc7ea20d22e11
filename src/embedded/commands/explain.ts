import { prepareRead, readSorted, type PreparedRead, type ReadStats } from "../engine/collection-reader.js";
import { notServed, typeMismatch } from "../engine/errors.js";
import { docArray, isDoc, optionalDoc } from "../engine/values.js";
import type { Doc } from "../semantics/bson-codec.js";
import { firstRead, parsePipeline } from "./aggregate.js";
import { collectionName, readUnit, type Command, type CommandContext } from "./command.js";
import { explainReply } from "./explain-plan.js";
import { prepareFind } from "./find.js";
import { hintOf } from "./query-options.js";

export const explain: Command = {
  name: "explain",
  fields: ["verbosity"],
  served: "find, aggregate (its first read), count, distinct, update, delete, findAndModify: index name, keys and documents examined",
  run: async (context) => {
    const inner = context.body["explain"];
    if (!isDoc(inner)) throw typeMismatch("explain", inner, "object");
    const name = Object.keys(inner)[0] ?? "";
    const explained = { ...context, body: inner };
    const collection = collectionName(explained, name);
    const stats: ReadStats = { keysExamined: 0, docsExamined: 0 };
    const read = readOf(explained, name, collection, stats);
    if (context.body["verbosity"] === "queryPlanner") return explainReply(context, collection, { read });
    const startedMs = performance.now();
    const returned = read ? await countAll(read, context) : 0;
    return explainReply(context, collection, { read }, { stats, returned, millis: performance.now() - startedMs });
  },
};

async function countAll(read: PreparedRead, { breath }: CommandContext): Promise<number> {
  let returned = 0;
  for (const found of readSorted(read)) {
    if (found) returned += 1;
    if (breath.isSpent) await breath.rest();
  }
  return returned;
}

function readOf(context: CommandContext, name: string, collection: string, stats: ReadStats): PreparedRead | undefined {
  const { body } = context;
  switch (name) {
    case "find":
      return prepareFind(context, collection, stats)?.read;
    case "aggregate":
      return firstRead(context, collection, parsePipeline(body), stats).read;
    case "count":
    case "distinct":
    case "findAndModify":
      return simpleRead(context, collection, body, "query", stats);
    case "update":
    case "delete": {
      const [statement] = docArray(body, `${name}s`);
      return simpleRead(context, collection, statement ?? {}, "q", stats);
    }
    default:
      throw notServed(`explain of '${name}'`);
  }
}

function simpleRead(context: CommandContext, name: string, source: Doc, field: string, stats: ReadStats): PreparedRead | undefined {
  const unit = readUnit(context);
  const collection = unit?.database.catalog.get(name);
  if (!unit || !collection) return undefined;
  return prepareRead(unit, collection, { filter: optionalDoc(source, field) ?? {}, sort: optionalDoc(source, "sort"), hint: hintOf(source), stats });
}
