import { MongoServerError, type Collection, type Db, type Document } from "mongodb";
import { setTimeout as sleep } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import { serviceUnavailable } from "../kernel/errors.js";
import type { HomeKind } from "../tenancy/tier-policy.js";
import { searchDefinition, type SearchIndexDeclaration } from "./collection-declaration.js";
import type { EmbeddingModelRef } from "./tenant-store.js";

/** Atlas builds an index of an empty collection in 10 to 60 s; one that takes longer than this is stuck. */
const queryableForMs = 180_000;
const pollMsMin = 20;
const pollMsMax = 1_000;
const indexAlreadyExists = 68;

/**
 * Makes or changes a search index and waits until it answers: on an index that is not ready yet a
 * search finds nothing, which looks exactly like a tenant without documents.
 */
export async function declareSearchIndex(
  db: Db,
  collection: string,
  search: SearchIndexDeclaration,
  home: HomeKind,
  embedding: EmbeddingModelRef,
  onProgress: (message: string) => void,
): Promise<void> {
  const target = db.collection(collection);
  const definition = searchDefinition(search, home, embedding);
  const present = await findIndex(target, search.name);
  if (present === undefined) {
    onProgress(`Creating the search index ${search.name} of ${db.databaseName}.${collection}`);
    await createIndex(target, search, definition);
  } else if (!declares(present["latestDefinition"] as Document | undefined, definition)) {
    onProgress(`Changing the search index ${search.name} of ${db.databaseName}.${collection}`);
    await target.updateSearchIndex(search.name, definition);
  } else if (present["queryable"] === true) {
    return;
  }
  await untilQueryable(target, search.name);
}

async function createIndex(target: Collection, search: SearchIndexDeclaration, definition: Document): Promise<void> {
  try {
    await target.createSearchIndex({ name: search.name, type: search.type, definition });
  } catch (error) {
    // Another server that starts at the same moment was first; it declares the same.
    if (!(error instanceof MongoServerError && error.code === indexAlreadyExists)) throw error;
  }
}

async function untilQueryable(target: Collection, name: string): Promise<void> {
  const endsAt = performance.now() + queryableForMs;
  for (let pauseMs = pollMsMin; ; pauseMs = Math.min(pollMsMax, pauseMs * 2)) {
    const index = await findIndex(target, name);
    if (index?.["queryable"] === true && index["status"] !== "BUILDING" && index["status"] !== "PENDING") return;
    if (index?.["status"] === "FAILED" || performance.now() >= endsAt) {
      throw serviceUnavailable(`The search index ${name} of ${target.dbName} is not queryable: its status is ${String(index?.["status"] ?? "missing")}`, pollMsMax);
    }
    await sleep(pauseMs);
  }
}

async function findIndex(target: Collection, name: string): Promise<Document | undefined> {
  const [found] = await target.listSearchIndexes(name).toArray();
  return found;
}

/** A deployment adds its defaults to what it stores, so what was declared must be in it, not equal it. */
function declares(stored: Document | undefined, wanted: { fields: Record<string, unknown>[] }): boolean {
  const fields = (stored?.["fields"] ?? []) as Record<string, unknown>[];
  if (fields.length !== wanted.fields.length) return false;
  return wanted.fields.every((field) =>
    fields.some((candidate) => Object.entries(field).every(([key, value]) => isDeepStrictEqual(candidate[key], value))),
  );
}
