import { prepareRead } from "../engine/collection-reader.js";
import { optionalDoc, requiredString } from "../engine/values.js";
import type { Doc } from "../semantics/bson-codec.js";
import { indexTuples } from "../semantics/index-keys.js";
import { encodeKey } from "../semantics/key-encoding.js";
import { compileMatcher } from "../semantics/matcher.js";
import { collectionName, readUnit, type Command } from "./command.js";
import { hintOf, refuseCollation } from "./query-options.js";

export const distinct: Command = {
  name: "distinct",
  fields: ["key", "query", "collation", "hint"],
  inTransaction: true,
  served: "key, query, hint; refused: collation",
  run: async (context) => {
    const name = collectionName(context, "distinct");
    refuseCollation(context.body);
    const path = requiredString(context.body, "key");
    const filter = optionalDoc(context.body, "query") ?? {};
    const unit = readUnit(context);
    const collection = unit?.database.catalog.get(name);
    const exists = compileMatcher({ [path]: { $exists: true } });
    const values = new Map<string, unknown>();
    if (unit && collection) {
      for (const found of prepareRead(unit, collection, { filter, hint: hintOf(context.body) }).steps()) {
        if (found && exists(found.doc)) for (const value of valuesAt(found.doc, path)) values.set(encodeKey([value]).toString("latin1"), value);
        if (context.breath.isSpent) await context.breath.rest();
      }
    }
    const sorted = [...values].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, value]) => value);
    return { values: sorted, ok: 1 };
  },
};

/** Arrays count by their elements, as in an index; `undefined` stands for an empty one, which has no values. */
function valuesAt(doc: Doc, path: string): unknown[] {
  return indexTuples(doc, [path]).flatMap((tuple) => (tuple[0] === undefined ? [] : [tuple[0]]));
}
