import { sweepDroppedKeys } from "../engine/dropped-keys.js";
import { namespaceNotFound } from "../engine/errors.js";
import { collectionName, namespaceOf, type Command } from "./command.js";

export const drop: Command = {
  name: "drop",
  fields: [],
  served: "the collection with its indexes; the keys go in the background",
  run: async (context) => {
    const name = collectionName(context, "drop");
    const database = context.engine.existing(context.databaseName);
    const collection = database?.catalog.get(name);
    if (!database || !collection || !(await database.dropCollection(name))) throw namespaceNotFound(namespaceOf(context, name));
    void sweepDroppedKeys(database.file).catch((error: unknown) => {
      if (!database.file.isClosed) context.engine.event("error", `Removing dropped keys of '${database.name}' failed: ${String(error)}`);
    });
    return { nIndexesWas: collection.indexes.length + 1, ns: namespaceOf(context, name), ok: 1 };
  },
};
