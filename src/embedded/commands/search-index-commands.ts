/*
 * createSearchIndexes, updateSearchIndex and dropSearchIndex, with Atlas's replies and errors.
 * Before it: execute-command.ts; after it: engine/search-indexes.ts.
 */
import { EngineError } from "../engine-error.js";
import type { CollectionState, StoredSearchIndex } from "../engine/catalog.js";
import { takeId } from "../engine/catalog.js";
import type { Database } from "../engine/database.js";
import { badValue, namespaceNotFound, notServed, typeMismatch } from "../engine/errors.js";
import { searchIndexId } from "../engine/search-indexes.js";
import { docArray, isDoc } from "../engine/values.js";
import type { Doc } from "../semantics/bson-codec.js";
import { parseVectorIndexDefinition } from "../vector/index-definition.js";
import { collectionName, namespaceOf, type Command, type CommandContext } from "./command.js";

const DEFAULT_NAME = "default";
const SPEC_FIELDS = ["name", "type", "definition"];

export const createSearchIndexes: Command = {
  name: "createSearchIndexes",
  fields: ["indexes"],
  served: "type vectorSearch; refused: type search",
  run: async (context) => {
    const { database, collection } = target(context, "createSearchIndexes");
    const specs = docArray(context.body, "indexes").map(parseSpec);
    if (specs.length === 0) throw badValue("createSearchIndexes needs at least one index");
    const created: StoredSearchIndex[] = [];
    await database.changeCollection(collection.name, (current, view) => {
      created.length = 0;
      for (const spec of specs) {
        if ([...current.searchIndexes, ...created].some(({ name }) => name === spec.name)) {
          throw new EngineError(68, "IndexAlreadyExists", `Duplicate Index: an index named "${spec.name}" is already defined for collection ${collection.name}. Index names must be unique for a source collection and all its views.`);
        }
        created.push({ ...spec, id: takeId(view), createdAtMs: Date.now(), version: 0 });
      }
      for (const index of created) database.searchIndexes.build(view, database, current, index);
      return { searchIndexes: [...current.searchIndexes, ...created] };
    });
    return { indexesCreated: created.map((index) => ({ id: searchIndexId(index), name: index.name })), ok: 1 };
  },
};

export const updateSearchIndex: Command = {
  name: "updateSearchIndex",
  fields: ["id", "name", "definition"],
  served: "a new definition, which builds the index anew",
  run: async (context) => {
    const { database, collection } = target(context, "updateSearchIndex");
    const definition = context.body["definition"];
    if (!isDoc(definition)) throw typeMismatch("updateSearchIndex.definition", definition, "object");
    await database.changeCollection(collection.name, (current, view) => {
      const before = named(current, context.body);
      parseVectorIndexDefinition(before.name, definition);
      // A new number keeps the old rows, which are dropped, apart from the new ones.
      const after = { ...before, id: takeId(view), definition, createdAtMs: Date.now(), version: before.version + 1 };
      database.searchIndexes.dropKeys(view, { searchIndexes: [before] });
      database.searchIndexes.build(view, database, current, after);
      return { searchIndexes: current.searchIndexes.map((index) => (index === before ? after : index)) };
    });
    return { ok: 1 };
  },
};

export const dropSearchIndex: Command = {
  name: "dropSearchIndex",
  fields: ["id", "name"],
  served: "by name or id",
  run: async (context) => {
    const { database, collection } = target(context, "dropSearchIndex");
    await database.changeCollection(collection.name, (current, view) => {
      const dropped = named(current, context.body);
      database.searchIndexes.dropKeys(view, { searchIndexes: [dropped] });
      return { searchIndexes: current.searchIndexes.filter((index) => index !== dropped) };
    });
    return { ok: 1 };
  },
};

function target(context: CommandContext, field: string): { database: Database; collection: CollectionState } {
  const name = collectionName(context, field);
  const database = context.engine.existing(context.databaseName);
  const collection = database?.catalog.get(name);
  if (!database || !collection) throw namespaceNotFound(namespaceOf(context, name));
  return { database, collection };
}

function parseSpec(spec: Doc): Pick<StoredSearchIndex, "name" | "type" | "definition"> {
  const unknown = Object.keys(spec).find((field) => !SPEC_FIELDS.includes(field));
  if (unknown) throw new EngineError(40415, "Location40415", `BSON field 'createSearchIndexes.indexes.${unknown}' is an unknown field.`);
  const { name = DEFAULT_NAME, type = "search", definition } = spec;
  if (typeof name !== "string" || name === "") throw badValue("\"name\" must be a non-empty string");
  if (type !== "vectorSearch") throw notServed(`A search index of type '${String(type)}'`);
  if (!isDoc(definition)) throw typeMismatch("createSearchIndexes.indexes.definition", definition, "object");
  parseVectorIndexDefinition(name, definition);
  return { name, type, definition };
}

/** Throws EngineError 27 IndexNotFound. */
function named(collection: CollectionState, body: Doc): StoredSearchIndex {
  const { name, id } = body;
  if ((name === undefined) === (id === undefined)) throw badValue("Exactly one of 'name' and 'id' must be given");
  const found = collection.searchIndexes.find((index) => (name === undefined ? searchIndexId(index) === id : index.name === name));
  if (!found) throw new EngineError(27, "IndexNotFound", `Index '${String(name ?? id)}' not found`);
  return found;
}
