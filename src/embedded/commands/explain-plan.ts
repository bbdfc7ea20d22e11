/*
 * What a plan looks like to people and tests: index name, keys and documents examined.
 * Before it: the explain command and aggregate with `explain`; after it: the client.
 */
import type { PreparedRead, ReadStats } from "../engine/collection-reader.js";
import type { Plan } from "../engine/planner.js";
import type { Doc } from "../semantics/bson-codec.js";
import { namespaceOf, type CommandContext } from "./command.js";

export interface Executed {
  stats: ReadStats;
  returned: number;
  millis: number;
}

export function explainReply(context: CommandContext, collection: string, { read }: { read: PreparedRead | undefined }, executed?: Executed): Doc {
  const winningPlan = read ? withSort(planStage(read.plan), read.sort) : { stage: "EOF" };
  const { stats, returned, millis } = executed ?? {};
  return {
    explainVersion: "1",
    queryPlanner: { namespace: namespaceOf(context, collection), winningPlan, rejectedPlans: [] },
    ...(stats
      ? {
          executionStats: {
            executionSuccess: true,
            nReturned: returned,
            executionTimeMillis: Math.round(millis ?? 0),
            totalKeysExamined: stats.keysExamined,
            totalDocsExamined: stats.docsExamined,
          },
        }
      : {}),
    ok: 1,
  };
}

function withSort(stage: Doc, sort: Doc | undefined): Doc {
  return sort ? { stage: "SORT", sortPattern: sort, inputStage: stage } : stage;
}

function planStage(plan: Plan): Doc {
  switch (plan.kind) {
    case "ids":
      return { stage: "IDHACK", keys: plan.idKeys.length };
    case "collection":
      return { stage: "COLLSCAN", direction: plan.reverse ? "backward" : "forward" };
    case "index":
      return {
        stage: "FETCH",
        inputStage: {
          stage: "IXSCAN",
          indexName: plan.index.name,
          keyPattern: plan.index.spec["key"],
          isMultiKey: plan.index.multikey,
          isUnique: plan.index.unique,
          direction: plan.reverse ? "backward" : "forward",
          ranges: plan.ranges.length,
        },
      };
  }
}
