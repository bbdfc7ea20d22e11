import { namespaceNotFound } from "../engine/errors.js";
import { encode } from "../semantics/bson-codec.js";
import { firstBatch } from "./batch.js";
import { collectionName, namespaceOf, type Command } from "./command.js";
import { cursorBatchSize } from "./list-batch.js";

export const listIndexes: Command = {
  name: "listIndexes",
  fields: ["cursor"],
  served: "all indexes, that of `_id` first",
  run: async (context) => {
    const name = collectionName(context, "listIndexes");
    const namespace = namespaceOf(context, name);
    const collection = context.engine.existing(context.databaseName)?.catalog.get(name);
    if (!collection) throw namespaceNotFound(namespace);
    const specs = [{ v: 2, key: { _id: 1 }, name: "_id_" }, ...collection.indexes.map((index) => index.spec)];
    return firstBatch(context, namespace, specs.map(encode), { batchSize: cursorBatchSize(context.body), singleBatch: false });
  },
};
