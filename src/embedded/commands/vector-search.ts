/*
 * `$vectorSearch` as the first stage: Atlas's refusals, then the hits with their scores beside them.
 * Before it: aggregate.ts; after it: engine/search-indexes.ts and the rest of the pipeline.
 */
import { EngineError } from "../engine-error.js";
import { typeMismatch } from "../engine/errors.js";
import { documentKey } from "../engine/keys.js";
import { withoutFields } from "../engine/raw-fields.js";
import { isDoc } from "../engine/values.js";
import type { WorkUnit } from "../engine/work-unit.js";
import { decode } from "../semantics/bson-codec.js";
import type { PipelineItem } from "../semantics/pipeline.js";
import type { CommandContext } from "./command.js";
import { readConcernLevel } from "./read-concern.js";

/** `unread`: fields that the stages behind drop before they look at them. */
export function searchVectors(context: CommandContext, unit: WorkUnit | undefined, name: string, stage: unknown, unread?: ReadonlySet<string>): PipelineItem[] {
  refuseElsewhere(context);
  if (!isDoc(stage)) throw typeMismatch("$vectorSearch", stage, "object");
  const collection = unit?.database.catalog.get(name);
  if (!unit || !collection) return [];
  const hits = context.engine.searchIndexes.search(unit.database, collection, stage);
  const items: PipelineItem[] = [];
  for (const { docKey, score } of hits) {
    // The index may lag behind the documents: what is gone is not a result.
    const bytes = unit.view.get(documentKey(collection.id, docKey));
    if (!bytes) continue;
    items.push({ doc: decode((unread && withoutFields(bytes, unread)) ?? bytes), meta: { vectorSearchScore: score } });
  }
  return items;
}

/** Atlas searches outside of transactions and of any snapshot, and says so. */
function refuseElsewhere(context: CommandContext): void {
  if (context.transaction) {
    throw new EngineError(263, "OperationNotSupportedInTransaction", "Stage not supported inside of a multi-document transaction: $vectorSearch");
  }
  const level = readConcernLevel(context.body);
  if (level === undefined || level === "local") return;
  throw new EngineError(72, "InvalidOptions", `Aggregation stage $vectorSearch cannot run with a readConcern other than 'local'. Current readConcern: ${level}`);
}
