import { EngineError } from "../engine-error.js";
import type { CollectionState } from "../engine/catalog.js";
import { sweepDroppedKeys } from "../engine/dropped-keys.js";
import { namespaceNotFound, typeMismatch } from "../engine/errors.js";
import { indexNotFound, samePattern, type IndexState } from "../engine/index-state.js";
import { isDoc } from "../engine/values.js";
import { collectionName, namespaceOf, type Command } from "./command.js";

export const dropIndexes: Command = {
  name: "dropIndexes",
  fields: ["index"],
  served: "by name, by names, by key pattern, `*`",
  run: async (context) => {
    const name = collectionName(context, "dropIndexes");
    const database = context.engine.existing(context.databaseName);
    const collection = database?.catalog.get(name);
    if (!database || !collection) throw namespaceNotFound(namespaceOf(context, name));
    const dropped = new Set(chosen(collection, context.body["index"]).map((index) => index.id));
    await database.dropIndexes(name, (index) => dropped.has(index.id));
    void sweepDroppedKeys(database.file).catch((error: unknown) => {
      if (!database.file.isClosed) context.engine.event("error", `Removing dropped keys of '${database.name}' failed: ${String(error)}`);
    });
    return { nIndexesWas: collection.indexes.length + 1, ok: 1 };
  },
};

/** Throws EngineError 27 IndexNotFound, 72 InvalidOptions for the index on `_id`. */
function chosen(collection: CollectionState, which: unknown): readonly IndexState[] {
  if (which === "*") return collection.indexes;
  if (Array.isArray(which)) return which.flatMap((name) => chosen(collection, name));
  if (which === "_id_" || (isDoc(which) && Object.keys(which).join() === "_id")) throw new EngineError(72, "InvalidOptions", "cannot drop _id index");
  if (typeof which === "string") return [collection.indexes.find((index) => index.name === which) ?? missing(which)];
  if (isDoc(which)) return [collection.indexes.find((index) => samePattern(index.spec, { key: which })) ?? missing(JSON.stringify(which))];
  throw typeMismatch("dropIndexes.index", which, "string");
}

function missing(name: string): never {
  throw indexNotFound(name);
}
