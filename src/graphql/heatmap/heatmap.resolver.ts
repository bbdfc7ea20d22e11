import "reflect-metadata";
import { Arg, Ctx, Query, Resolver } from "type-graphql";
import type { Heatmap } from "../../insights/tenant-heatmap.js";
import { asOperator, type RequestContext } from "../request-context.js";
import { given } from "../given.js";
import { HeatmapInput, HeatmapType } from "./heatmap.type.js";

@Resolver()
export class HeatmapResolver {
  @Query(() => HeatmapType, { nullable: true, description: "Tenants by time: who costs most, who hits limits, who is slow, and who would be better at home elsewhere. For operators." })
  heatmap(@Arg("input", () => HeatmapInput) input: HeatmapInput, @Ctx() context: RequestContext): Promise<Heatmap> {
    return asOperator(context).services.heatmaps.run({ ...given(input), measure: input.measure });
  }
}
