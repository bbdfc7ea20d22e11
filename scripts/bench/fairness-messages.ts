/** What `fairness.bench.ts` and its worker say to each other. */
export type QueueSystem = "bulkhead" | "p-queue" | "bottleneck";

export type FairnessQuestion = { readonly do: "position"; readonly system: QueueSystem; readonly slots: number } | { readonly do: "cost"; readonly system: QueueSystem; readonly jobs: number; readonly tenants: number };

/** Of a tenant with one job behind another's thousand: 1 is served first. */
export interface PositionAnswer {
  readonly position: number;
}

/** Microseconds of CPU. */
export interface CostAnswer {
  readonly wholeJob: number;
  /** One turn given back and the next given out. Peers do not let it be told apart. */
  readonly decision?: number;
}
