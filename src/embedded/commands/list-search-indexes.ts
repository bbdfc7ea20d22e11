/*
 * The documents of `$listSearchIndexes`, as Atlas shows them.
 * Before it: aggregate.ts; after it: the rest of the pipeline.
 */
import type { StoredSearchIndex } from "../engine/catalog.js";
import { EngineError } from "../engine-error.js";
import { searchIndexId, searchIndexStatus } from "../engine/search-indexes.js";
import { isDoc } from "../engine/values.js";
import type { Doc } from "../semantics/bson-codec.js";
import type { CommandContext } from "./command.js";

export function describeSearchIndexes({ engine, databaseName }: CommandContext, collection: string, spec: unknown): Doc[] {
  if (!isDoc(spec)) throw new EngineError(9, "FailedToParse", "The $listSearchIndexes stage specification must be an object");
  const { id, name } = spec;
  const unknown = Object.keys(spec).find((field) => field !== "id" && field !== "name");
  if (unknown) throw new EngineError(40415, "Location40415", `BSON field '$listSearchIndexes.${unknown}' is an unknown field.`);
  if (id !== undefined && name !== undefined) throw new EngineError(72, "InvalidOptions", "Cannot set both 'name' and 'id' for $listSearchIndexes");
  const indexes = engine.existing(databaseName)?.catalog.get(collection)?.searchIndexes ?? [];
  return indexes
    .filter((index) => (id === undefined || searchIndexId(index) === id) && (name === undefined || index.name === name))
    .map((index) => describe(index, engine.options.searchIndexDelayMs));
}

function describe(index: StoredSearchIndex, delayMs: number): Doc {
  const status = searchIndexStatus(index, delayMs);
  return {
    id: searchIndexId(index),
    name: index.name,
    type: index.type,
    status,
    queryable: status === "READY",
    latestVersion: index.version,
    latestDefinition: index.definition,
    latestDefinitionVersion: { version: index.version, createdAt: new Date(index.createdAtMs) },
  };
}
