import { countDocuments } from "../engine/count-documents.js";
import { nonNegativeInteger, optionalDoc, optionalInteger } from "../engine/values.js";
import { collectionName, readUnit, type Command } from "./command.js";
import { hintOf, refuseCollation } from "./query-options.js";

export const count: Command = {
  name: "count",
  fields: ["query", "limit", "skip", "hint", "collation", "fields"],
  served: "query, limit, skip, hint; refused: collation",
  run: async (context) => {
    const name = collectionName(context, "count");
    refuseCollation(context.body);
    const unit = readUnit(context);
    const collection = unit?.database.catalog.get(name);
    const skip = nonNegativeInteger(context.body, "skip") ?? 0;
    const limit = Math.abs(optionalInteger(context.body, "limit") ?? 0) || Number.POSITIVE_INFINITY;
    if (!unit || !collection) return { n: 0, ok: 1 };
    const request = { filter: optionalDoc(context.body, "query") ?? {}, hint: hintOf(context.body) };
    const all = await countDocuments(unit, collection, request, context.breath);
    return { n: Math.min(Math.max(0, all - skip), limit), ok: 1 };
  },
};
