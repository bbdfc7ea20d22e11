import "reflect-metadata";
import { Field, Float, ID, InputType, ObjectType, registerEnumType } from "type-graphql";
import type { LatencyScope } from "../../insights/latency-verdict.js";
import type { HolderWork } from "../../insights/timed-request.js";
import { dateTime, safeInt } from "../scalars.js";
import { TenantType } from "../tenant/tenant.type.js";

export const latencyScopeEnum = { NOBODY: "NOBODY", ONE_TENANT: "ONE_TENANT", SOME_TENANTS: "SOME_TENANTS", EVERYONE: "EVERYONE" } as const satisfies Record<LatencyScope, LatencyScope>;
registerEnumType(latencyScopeEnum, {
  name: "LatencyScope",
  description: "For whom it is slow.",
  valuesConfig: {
    NOBODY: { description: "For nobody, or for nobody with requests enough to say." },
    ONE_TENANT: { description: "For one tenant alone." },
    SOME_TENANTS: { description: "For some." },
    EVERYONE: { description: "For four in five of the tenants that can be judged, or more." },
  },
});

export const workKindEnum = {
  INTERACTIVE: "INTERACTIVE", INGEST: "INGEST", AUDIT: "AUDIT", MOVE: "MOVE", OTHERS: "OTHERS", ELSEWHERE: "ELSEWHERE", RATES: "RATES",
} as const satisfies Record<HolderWork, HolderWork>;
registerEnumType(workKindEnum, {
  name: "WorkKind",
  description: "What held a slot at a model.",
  valuesConfig: {
    INTERACTIVE: { description: "Questions and searches." },
    INGEST: { description: "Documents being taken in." },
    AUDIT: { description: "The isolation audit." },
    MOVE: { description: "A placement move." },
    OTHERS: { description: "Tenants that are not told apart: each held little, or they are erased." },
    ELSEWHERE: { description: "Other servers, which the pool is shared with." },
    RATES: { description: "Nobody: slots were free, and the provider's rates made calls wait." },
  },
});

@InputType("LatencyAttributionInput", { description: "Which time, and whose." })
export class LatencyAttributionInput {
  @Field(() => dateTime, { nullable: true, description: "Where it begins; an hour before the end when left out. At most 35 days. Read by periods of 5 minutes, by hours when it is longer than 6." })
  from?: Date | null;

  @Field(() => dateTime, { nullable: true, description: "Where it ends, exclusive; now when left out." })
  to?: Date | null;

  @Field(() => ID, { nullable: true, description: "One tenant; all when left out." })
  tenantId?: string | null;
}

@ObjectType("QueueHolder", { simpleResolvers: true, description: "Whose work held slots while others waited." })
export class QueueHolderType {
  @Field(() => TenantType, { nullable: true, description: "The tenant; null where it was no single one." })
  tenant?: TenantType;

  @Field(() => workKindEnum, { description: "What the work was." })
  work!: HolderWork;

  @Field(() => Float, { description: "Part of the whole, from 0 to 1." })
  share!: number;

  @Field(() => Float, { description: "Milliseconds of waiting that it accounts for." })
  ms!: number;
}

@ObjectType("StageLatency", { simpleResolvers: true, description: "Time in one stage of a request. Percentiles are over all requests, also those that did not come to the stage, and within 5 %." })
export class StageLatencyType {
  @Field(() => String, { description: "Such as `queue_wait`, `embed`, `search`, `first_token`, `stream`, `settle`." })
  name!: string;

  @Field(() => Float, { description: "Part of all time, from 0 to 1. The shares of all stages add up to 1." })
  share!: number;

  @Field(() => Float, { description: "Mean of all requests, in ms." })
  meanMs!: number;

  @Field(() => Float, { description: "Median, in ms." })
  p50Ms!: number;

  @Field(() => Float, { description: "95th percentile, in ms." })
  p95Ms!: number;

  @Field(() => Float, { description: "99th percentile, in ms." })
  p99Ms!: number;
}

@ObjectType("TenantLatency", { simpleResolvers: true, description: "Where one tenant's requests spent their time." })
export class TenantLatencyType {
  @Field(() => TenantType, { description: "The tenant." })
  tenant!: TenantType;

  @Field(() => safeInt, { description: "Its requests." })
  requests!: number;

  @Field(() => Float, { description: "Median, in ms." })
  p50Ms!: number;

  @Field(() => Float, { description: "95th percentile, in ms." })
  p95Ms!: number;

  @Field(() => Float, { description: "99th percentile, in ms." })
  p99Ms!: number;

  @Field(() => Float, { nullable: true, description: "Its own 95th percentile in the day before; null when it had fewer than 50 requests then." })
  baselineP95Ms?: number;

  @Field(() => [StageLatencyType], { description: "Most time first." })
  stages!: StageLatencyType[];

  @Field(() => [QueueHolderType], { description: "Who held the slots while its questions waited for a turn, its own work included. Most first." })
  queueHeldBy!: QueueHolderType[];
}

@ObjectType("LatencyVerdict", { simpleResolvers: true, description: "Is it slow, for whom, in which stage, and because of whom." })
export class LatencyVerdictType {
  @Field(() => latencyScopeEnum, { description: "For whom." })
  scope!: LatencyScope;

  @Field(() => String, { nullable: true, description: "The stage that has grown most; null when nobody is slow." })
  stage?: string;

  @Field(() => [TenantType], { description: "Those who are." })
  slowTenants!: TenantType[];

  @Field(() => [QueueHolderType], { description: "Whose work was in the way, when it is the wait for a turn or the embedding. Most first." })
  because!: QueueHolderType[];

  @Field(() => String, { description: "The same in one sentence." })
  summary!: string;
}

@ObjectType("LatencyAttribution", { simpleResolvers: true, description: "Where requests spent their time, for whom, and because of whom." })
export class LatencyAttributionType {
  @Field(() => Boolean, { description: "Whether more was there than can be read at once. `from` is later than asked for then, or what is usual is of less than a day." })
  truncated!: boolean;

  @Field(() => dateTime, { description: "Where it begins." })
  from!: Date;

  @Field(() => dateTime, { description: "Where it ends, exclusive." })
  to!: Date;

  @Field(() => safeInt, { description: "Requests of all tenants." })
  requests!: number;

  @Field(() => LatencyVerdictType, { description: "The answer." })
  verdict!: LatencyVerdictType;

  @Field(() => [StageLatencyType], { description: "Of all tenants together, most time first." })
  stages!: StageLatencyType[];

  @Field(() => [TenantLatencyType], { description: "At most 100: slow ones first, then the slowest. Erased ones are not shown." })
  tenants!: TenantLatencyType[];
}
