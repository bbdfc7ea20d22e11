import "reflect-metadata";
import { Field, Float, InputType, Int, ObjectType, registerEnumType } from "type-graphql";
import type { HeatmapMeasure } from "../../insights/tenant-heatmap.js";
import type { HomeKind } from "../../tenancy/tier-policy.js";
import { homeEnum } from "../enums.js";
import { dateTime, safeInt } from "../scalars.js";
import { TenantType } from "../tenant/tenant.type.js";

export const heatmapMeasureEnum = {
  COST: "COST", TOKENS: "TOKENS", REQUESTS: "REQUESTS", REFUSALS: "REFUSALS", LATENCY_P95: "LATENCY_P95", QUEUE_WAIT: "QUEUE_WAIT",
} as const satisfies Record<HeatmapMeasure, HeatmapMeasure>;
registerEnumType(heatmapMeasureEnum, {
  name: "HeatmapMeasure",
  description: "What a heatmap shows of tenants.",
  valuesConfig: {
    COST: { description: "What models cost, from the usage ledger, in micro-dollars." },
    TOKENS: { description: "Tokens of models, from the usage ledger." },
    REQUESTS: { description: "Requests that were let in, and operations over sockets." },
    REFUSALS: { description: "How often a limit, a budget or a full line turned work away." },
    LATENCY_P95: { description: "95th percentile of the time of requests, within 5 %, without waits between the events of a stream." },
    QUEUE_WAIT: { description: "Mean wait for a turn at a model, per request." },
  },
});

@InputType("HeatmapInput", { description: "Which figures of which time." })
export class HeatmapInput {
  @Field(() => heatmapMeasureEnum, { description: "What to show." })
  measure!: HeatmapMeasure;

  @Field(() => dateTime, { nullable: true, description: "Where it begins, taken back to the beginning of a column; a day before the end when left out. At most 35 days." })
  from?: Date | null;

  @Field(() => dateTime, { nullable: true, description: "Where it ends, exclusive; now when left out." })
  to?: Date | null;

  @Field(() => Int, { nullable: true, description: "Width of a column: 60 when left out, a multiple of 60, or of 5 below that. Cost and tokens are known by hours only. At most 200 columns." })
  bucketMinutes?: number | null;

  @Field(() => Int, { nullable: true, description: "Rows at most: 50 when left out." })
  first?: number | null;
}

@ObjectType("HeatmapRow", { simpleResolvers: true, description: "One tenant over time." })
export class HeatmapRowType {
  @Field(() => TenantType, { description: "The tenant." })
  tenant!: TenantType;

  @Field(() => Float, { description: "Of the whole time: the sum, the percentile over all, or the mean of all." })
  total!: number;

  @Field(() => [Float], { nullable: "items", description: "One for each column; null where nothing happened." })
  cells!: (number | null)[];

  @Field(() => safeInt, { description: "How often it hit a limit in this time." })
  refusals!: number;
}

@ObjectType("PlacementSuggestion", { simpleResolvers: true, description: "A tenant that would be better at home elsewhere." })
export class PlacementSuggestionType {
  @Field(() => TenantType, { description: "The tenant." })
  tenant!: TenantType;

  @Field(() => homeEnum, { description: "Where it would be better." })
  placement!: HomeKind;

  @Field(() => String, { description: "Why, in a sentence with figures." })
  reason!: string;
}

@ObjectType("Heatmap", { simpleResolvers: true, description: "Tenants by time." })
export class HeatmapType {
  @Field(() => heatmapMeasureEnum, { description: "What is shown." })
  measure!: HeatmapMeasure;

  @Field(() => String, { description: "Unit of totals and cells." })
  unit!: string;

  @Field(() => Boolean, { description: "Whether more was there than can be read at once. It begins later than asked for then; of cost and tokens only `refusals` and `suggestions` do." })
  truncated!: boolean;

  @Field(() => dateTime, { description: "Where it begins." })
  from!: Date;

  @Field(() => dateTime, { description: "Where it ends, exclusive." })
  to!: Date;

  @Field(() => Int, { description: "Width of a column." })
  bucketMinutes!: number;

  @Field(() => [dateTime], { description: "Beginnings of the columns." })
  columns!: Date[];

  @Field(() => [HeatmapRowType], { description: "Tenants with anything to show, highest first. Erased ones are not shown." })
  rows!: HeatmapRowType[];

  @Field(() => Float, { description: "The highest cell." })
  max!: number;

  @Field(() => [PlacementSuggestionType], { description: "Tenants that would be better in a silo, or back in the pool, by what they did in this time." })
  suggestions!: PlacementSuggestionType[];
}
