import { type BulkWriteResult, type Collection, type Document } from "mongodb";
import type { Spec } from "./spec-file.js";

/** The arguments of the format, with the session and the like already put in place. */
export type CollectionOperation = (collection: Collection<Spec>, args: Spec) => Promise<unknown>;

/** Takes `names` out of the arguments; the rest are the driver's options. */
function split<N extends string>(args: Spec, ...names: N[]): { taken: Record<N, never>; options: Spec } {
  const options = { ...args };
  const taken = {} as Record<N, never>;
  for (const name of names) {
    taken[name] = options[name] as never;
    delete options[name];
  }
  return { taken, options };
}

function write(method: "insertOne" | "deleteOne" | "deleteMany", subject: string): CollectionOperation {
  return (collection, args) => {
    const { taken, options } = split(args, subject);
    return collection[method](taken[subject] as never, options);
  };
}

function change(method: "updateOne" | "updateMany" | "replaceOne" | "findOneAndUpdate" | "findOneAndReplace", subject: string): CollectionOperation {
  return (collection, args) => {
    const { taken, options } = split(args, "filter", subject, "returnDocument");
    const returnDocument = taken["returnDocument"] as unknown;
    const extra = typeof returnDocument === "string" ? { returnDocument: returnDocument.toLowerCase() } : {};
    const run = collection[method].bind(collection) as (filter: Spec, subject: Spec, options: Spec) => Promise<unknown>;
    return run(taken["filter"] as unknown as Spec, taken[subject] as never, { ...options, ...extra });
  };
}

function bulkResult(result: BulkWriteResult): Document {
  const { insertedCount, insertedIds, matchedCount, modifiedCount, deletedCount, upsertedCount, upsertedIds } = result;
  return { insertedCount, insertedIds, matchedCount, modifiedCount, deletedCount, upsertedCount, upsertedIds };
}

export const COLLECTION_OPERATIONS: Readonly<Record<string, CollectionOperation>> = {
  insertOne: write("insertOne", "document"),
  deleteOne: write("deleteOne", "filter"),
  deleteMany: write("deleteMany", "filter"),
  updateOne: change("updateOne", "update"),
  updateMany: change("updateMany", "update"),
  replaceOne: change("replaceOne", "replacement"),
  findOneAndUpdate: change("findOneAndUpdate", "update"),
  findOneAndReplace: change("findOneAndReplace", "replacement"),
  findOneAndDelete: (collection, args) => {
    const { taken, options } = split(args, "filter");
    return collection.findOneAndDelete(taken.filter, options);
  },
  insertMany: (collection, args) => {
    const { taken, options } = split(args, "documents");
    return collection.insertMany(taken.documents, options);
  },
  bulkWrite: async (collection, args) => {
    const { taken, options } = split(args, "requests");
    return bulkResult(await collection.bulkWrite(taken.requests, options));
  },
  find: (collection, args) => {
    const { taken, options } = split(args, "filter");
    return collection.find(taken.filter, options).toArray();
  },
  findOne: (collection, args) => {
    const { taken, options } = split(args, "filter");
    return collection.findOne(taken.filter, options);
  },
  aggregate: (collection, args) => {
    const { taken, options } = split(args, "pipeline");
    return collection.aggregate(taken.pipeline, options).toArray();
  },
  distinct: (collection, args) => {
    const { taken, options } = split(args, "fieldName", "filter");
    return collection.distinct(taken.fieldName, taken.filter ?? {}, options);
  },
  countDocuments: (collection, args) => {
    const { taken, options } = split(args, "filter");
    return collection.countDocuments(taken.filter, options);
  },
  count: (collection, args) => {
    const { taken, options } = split(args, "filter");
    return collection.count(taken.filter, options);
  },
  estimatedDocumentCount: (collection, args) => collection.estimatedDocumentCount(args),
  createIndex: (collection, args) => {
    const { taken, options } = split(args, "keys");
    return collection.createIndex(taken.keys, options);
  },
  dropIndex: (collection, args) => {
    const { taken, options } = split(args, "name");
    return collection.dropIndex(taken.name, options);
  },
  dropIndexes: (collection, args) => collection.dropIndexes(args),
  listIndexes: (collection, args) => collection.listIndexes(args).toArray(),
  listIndexNames: async (collection, args) => (await collection.listIndexes(args).toArray()).map((index: Document) => index["name"] as unknown),
  createSearchIndex: (collection, args) => {
    const { taken } = split(args, "model");
    return collection.createSearchIndex(taken.model);
  },
  createSearchIndexes: (collection, args) => {
    const { taken } = split(args, "models");
    return collection.createSearchIndexes(taken.models);
  },
  dropSearchIndex: (collection, args) => collection.dropSearchIndex(String(args["name"])),
  updateSearchIndex: (collection, args) => collection.updateSearchIndex(String(args["name"]), args["definition"] as Document),
  listSearchIndexes: (collection, args) => {
    const options = (args["aggregationOptions"] ?? {}) as Spec;
    const name = args["name"];
    return (typeof name === "string" ? collection.listSearchIndexes(name, options) : collection.listSearchIndexes(options)).toArray();
  },
  rename: (collection, args) => {
    const { taken, options } = split(args, "to");
    return collection.rename(taken.to, options);
  },
};
