import "reflect-metadata";
import { Arg, Ctx, Query, Resolver } from "type-graphql";
import type { LatencyAttribution } from "../../insights/attribute-latency.js";
import { given } from "../given.js";
import { asOperator, type RequestContext } from "../request-context.js";
import { LatencyAttributionInput, LatencyAttributionType } from "./latency.type.js";

@Resolver()
export class LatencyResolver {
  @Query(() => LatencyAttributionType, { nullable: true, description: "Is it slow for everyone or for one tenant, in which stage, and because of whom. For operators." })
  latencyAttribution(@Arg("input", () => LatencyAttributionInput) input: LatencyAttributionInput, @Ctx() context: RequestContext): Promise<LatencyAttribution> {
    return asOperator(context).services.latency.run(given(input));
  }
}
