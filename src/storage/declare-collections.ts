/**
 * Brings a database to what `schema/collections/` declares: collections, validators, indexes and
 * search indexes. Comes before every other use of the database; a start that finds nothing changed
 * only reads.
 */
import { MongoServerError, type CreateIndexesOptions, type Db, type Document } from "mongodb";
import { isDeepStrictEqual } from "node:util";
import type { HomeKind } from "../tenancy/tier-policy.js";
import { readDeclarations, type CollectionDeclaration, type IndexDeclaration, type Plane } from "./collection-declaration.js";
import { declareSearchIndex } from "./declare-search-index.js";
import { translating } from "./driver-errors.js";
import { internal } from "../kernel/errors.js";
import { sealedDeclaration } from "./sealing/sealed-declaration.js";
import type { EmbeddingModelRef } from "./tenant-store.js";

/** Told what is being made, for a person who waits. */
export type OnProgress = (message: string) => void;

const namespaceExists = 48;

/** How rows lie in a database: as they are, or sealed by the tenant's key. */
export type RowForm = "CLEAR" | "SEALED";

/**
 * Repeating it changes nothing. Throws `SERVICE_UNAVAILABLE` when a search index does not become
 * queryable in time, `INTERNAL` when a database of sealed rows is to be opened for clear ones.
 */
export async function declareCollections(db: Db, plane: Plane, home: HomeKind, embedding: EmbeddingModelRef, onProgress: OnProgress = () => {}, form: RowForm = "CLEAR"): Promise<void> {
  const declared = await readDeclarations(plane);
  const declarations = form === "SEALED" ? declared.map(sealedDeclaration) : declared;
  await translating(async () => {
    const present = new Map((await db.listCollections().toArray()).map((found) => [found.name, "options" in found ? (found.options ?? {}) : {}]));
    if (form === "CLEAR") for (const declaration of declared) refuseUnsealing(declaration, present.get(declaration.collection));
    await Promise.all(declarations.map((declaration) => declareCollection(db, declaration, present.get(declaration.collection), onProgress)));
    for (const declaration of declarations) {
      for (const search of declaration.searchIndexes ?? []) await declareSearchIndex(db, declaration.collection, search, home, embedding, onProgress);
    }
  });
}

/** A silo that is opened without its key would otherwise lose the validator that keeps clear text out of it. */
function refuseUnsealing(declaration: CollectionDeclaration, present: Document | undefined): void {
  const sealed = sealedDeclaration(declaration);
  if (sealed === declaration || !isDeepStrictEqual(present?.["validator"], sealed.validator)) return;
  throw internal(`The collection ${declaration.collection} holds sealed rows and was opened without the tenant's key`);
}

async function declareCollection(db: Db, declaration: CollectionDeclaration, present: Document | undefined, onProgress: OnProgress): Promise<void> {
  const { collection: name, validator } = declaration;
  if (present === undefined) {
    onProgress(`Creating the collection ${name} of ${db.databaseName}`);
    await createCollection(db, name, validator);
  } else if (!isDeepStrictEqual(present["validator"], validator)) {
    onProgress(`Changing the validator of ${name} of ${db.databaseName}`);
    await db.command({ collMod: name, validator, validationLevel: "strict", validationAction: "error" });
  }
  const indexes = present === undefined ? [] : await db.collection(name).listIndexes().toArray();
  for (const index of declaration.indexes) await declareIndex(db, name, index, indexes.find((found) => found["name"] === index.name));
}

/** Another server that starts at the same moment may be first; it declares the same. */
async function createCollection(db: Db, name: string, validator: Document): Promise<void> {
  try {
    await db.createCollection(name, { validator, validationLevel: "strict", validationAction: "error" });
  } catch (error) {
    if (!(error instanceof MongoServerError && error.code === namespaceExists)) throw error;
  }
}

async function declareIndex(db: Db, collection: string, index: IndexDeclaration, present: Document | undefined): Promise<void> {
  if (present !== undefined && sameIndex(index, present)) return;
  if (present !== undefined) await db.collection(collection).dropIndex(index.name);
  const { key, ...options } = index;
  await db.collection(collection).createIndex(key, options as CreateIndexesOptions);
}

function sameIndex(index: IndexDeclaration, present: Document): boolean {
  // The order of the fields of a key decides what the index is good for; objects alone compare without it.
  return (
    isDeepStrictEqual(Object.entries(index.key), Object.entries(present["key"] as Document).map(([field, direction]) => [field, Number(direction)])) &&
    (index.unique ?? false) === (present["unique"] ?? false) &&
    isDeepStrictEqual(index.partialFilterExpression, present["partialFilterExpression"]) &&
    index.expireAfterSeconds === present["expireAfterSeconds"]
  );
}
