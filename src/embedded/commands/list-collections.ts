import { Binary } from "bson";
import type { CollectionState } from "../engine/catalog.js";
import { flag, optionalDoc } from "../engine/values.js";
import { encode, type Doc } from "../semantics/bson-codec.js";
import { compileMatcher } from "../semantics/matcher.js";
import { firstBatch } from "./batch.js";
import type { Command } from "./command.js";
import { cursorBatchSize } from "./list-batch.js";

export const listCollections: Command = {
  name: "listCollections",
  fields: ["filter", "nameOnly", "authorizedCollections", "cursor"],
  served: "filter, nameOnly",
  run: async (context) => {
    const nameOnly = flag(context.body, "nameOnly");
    const matches = compileMatcher(optionalDoc(context.body, "filter") ?? {});
    const collections = context.engine.existing(context.databaseName)?.catalog.all() ?? [];
    const documents = collections.map(describe).filter(matches);
    const shown = nameOnly ? documents.map(({ name, type }) => ({ name, type })) : documents;
    const namespace = `${context.databaseName}.$cmd.listCollections`;
    return firstBatch(context, namespace, shown.map(encode), { batchSize: cursorBatchSize(context.body), singleBatch: false });
  },
};

function describe(collection: CollectionState): Doc {
  return {
    name: collection.name,
    type: "collection",
    options: collection.options,
    info: { readOnly: false, uuid: new Binary(collection.uuid, Binary.SUBTYPE_UUID) },
    idIndex: { v: 2, key: { _id: 1 }, name: "_id_" },
  };
}
