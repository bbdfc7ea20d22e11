import "reflect-metadata";
import { Arg, Ctx, Mutation, Resolver } from "type-graphql";
import { formatMicroUsd } from "../money.js";
import { asOperator, type RequestContext } from "../request-context.js";
import { RerateUsageInput, RerateUsagePayloadType } from "./rerate.type.js";

@Resolver()
export class RerateResolver {
  @Mutation(() => RerateUsagePayloadType, {
    nullable: true,
    description: "Prices model calls anew with the price book that the server was started with, by rows that correct. Repeating it corrects nothing twice. For operators.",
  })
  async rerateUsage(@Arg("input", () => RerateUsageInput) input: RerateUsageInput, @Ctx() context: RequestContext): Promise<RerateUsagePayloadType> {
    const { services, deadline } = asOperator(context);
    const { tenantId, dryRun, after, ...range } = input;
    const result = await services.rerating.run({ ...range, ...(tenantId ? { tenantId } : {}), ...(dryRun ? { dryRun } : {}), ...(after ? { after } : {}) }, deadline);
    return { ...result, difference: formatMicroUsd(result.differenceMicroUsd) };
  }
}
