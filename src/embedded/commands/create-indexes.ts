import { EngineError } from "../engine-error.js";
import { sameIndex, samePattern, type IndexState } from "../engine/index-state.js";
import { asNumber, docArray, isDoc, isNumber } from "../engine/values.js";
import { notServed } from "../engine/errors.js";
import type { Doc } from "../semantics/bson-codec.js";
import { compileMatcher } from "../semantics/matcher.js";
import { collectionName, writableDatabase, type Command } from "./command.js";

const OPTIONS = new Set(["key", "name", "unique", "sparse", "partialFilterExpression", "expireAfterSeconds", "background", "v"]);
const INDEXES_MAX = 64;
/** 2^31 - 1, as on a server. */
const EXPIRE_SECONDS_MAX = 2_147_483_647;

export const createIndexes: Command = {
  name: "createIndexes",
  fields: ["indexes", "commitQuorum"],
  served: "ascending, descending, compound, multikey, unique, sparse, partial, TTL; refused: text, 2d, 2dsphere, hashed, wildcard, hidden, collation",
  run: async (context) => {
    const name = collectionName(context, "createIndexes");
    const specs = docArray(context.body, "indexes").map(checkedSpec);
    if (specs.length === 0) throw new EngineError(2, "BadValue", "Must specify at least one index to create");
    const database = await writableDatabase(context);
    const createdCollectionAutomatically = !database.catalog.get(name);
    const collection = await database.ensureCollection(name);
    const numIndexesBefore = collection.indexes.length + 1;
    const added = newOnes(specs, collection.indexes);
    if (numIndexesBefore + added.length > INDEXES_MAX) {
      throw new EngineError(67, "CannotCreateIndex", `add index fails, too many indexes for ${database.namespace(collection)}`);
    }
    if (added.length > 0) await database.addIndexes(name, added);
    return { numIndexesBefore, numIndexesAfter: numIndexesBefore + added.length, createdCollectionAutomatically, ok: 1 };
  },
};

/** What is not there yet. Throws EngineError 85 IndexOptionsConflict, 86 IndexKeySpecsConflict. */
function newOnes(specs: readonly Doc[], existing: readonly IndexState[]): Doc[] {
  const known = existing.map((index) => index.spec);
  const added: Doc[] = [];
  for (const spec of specs) {
    if (isIdIndex(spec)) continue;
    const rivals = [...known, ...added];
    const named = rivals.find((other) => other["name"] === spec["name"]);
    if (named && sameIndex(named, spec)) continue;
    if (named) {
      throw new EngineError(86, "IndexKeySpecsConflict", `An existing index has the same name as the requested index. When index names are not specified, they are auto generated and can cause conflicts. Please refer to our documentation. Requested index: ${String(spec["name"])}`);
    }
    const twin = rivals.find((other) => samePattern(other, spec));
    if (twin) throw new EngineError(85, "IndexOptionsConflict", `Index already exists with a different name or options: ${String(twin["name"])}`);
    added.push(spec);
  }
  return added;
}

function isIdIndex(spec: Doc): boolean {
  const key = Object.keys(spec["key"] as Doc);
  return key.length === 1 && key[0] === "_id";
}

function checkedSpec(spec: Doc): Doc {
  for (const [option, value] of Object.entries(spec)) {
    if (option === "hidden" && value === false) continue;
    if (!OPTIONS.has(option)) throw notServed(`createIndexes with the index option '${option}'`);
  }
  const key = spec["key"];
  if (!isDoc(key) || Object.keys(key).length === 0) throw new EngineError(67, "CannotCreateIndex", "Index keys cannot be an empty object");
  checkKey(key);
  checkOptions(spec, key);
  const name = spec["name"];
  if (typeof name !== "string" || name === "") throw new EngineError(9, "FailedToParse", "The 'name' field is a required property of an index specification");
  const { background: _background, hidden: _hidden, v: _v, key: _key, name: _name, ...rest } = spec;
  return { v: 2, key, name, ...rest };
}

function checkKey(key: Doc): void {
  for (const [path, direction] of Object.entries(key)) {
    if (typeof direction === "string") throw notServed(`An index of type '${direction}'`);
    if (!isNumber(direction) || asNumber(direction) === 0 || Number.isNaN(asNumber(direction))) {
      throw new EngineError(67, "CannotCreateIndex", `Values in v:2 index key pattern must be a non-zero number, got ${String(direction)} for '${path}'`);
    }
    if (path === "" || path.startsWith("$") || path.includes("$**")) throw notServed(`An index on the path '${path}'`);
    if (path.split(".").includes("")) throw new EngineError(67, "CannotCreateIndex", `Index keys cannot contain an empty field, got '${path}'`);
  }
}

function checkOptions(spec: Doc, key: Doc): void {
  const partial = spec["partialFilterExpression"];
  if (partial !== undefined) {
    if (!isDoc(partial)) throw new EngineError(14, "TypeMismatch", "The field 'partialFilterExpression' must be an object");
    if (spec["sparse"] === true) throw new EngineError(67, "CannotCreateIndex", "cannot mix \"partialFilterExpression\" and \"sparse\" options");
    compileMatcher(partial);
  }
  const expire = spec["expireAfterSeconds"];
  if (expire === undefined) return;
  const seconds = asNumber(expire);
  if (!(seconds >= 0 && seconds <= EXPIRE_SECONDS_MAX)) throw new EngineError(67, "CannotCreateIndex", `TTL index 'expireAfterSeconds' must be within the range 0 to ${EXPIRE_SECONDS_MAX}, got ${String(seconds)}`);
  if (Object.keys(key).length !== 1) throw new EngineError(67, "CannotCreateIndex", "TTL indexes are single-field indexes, compound indexes do not support TTL");
}
