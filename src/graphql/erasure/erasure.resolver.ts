import "reflect-metadata";
import { Arg, Ctx, ID, Mutation, Query, Resolver } from "type-graphql";
import { notFound } from "../../kernel/errors.js";
import type { ErasureRow } from "../../storage/control/erasure-rows.js";
import type { TenantRecord } from "../../tenancy/tenant-record.js";
import { asOperator, type RequestContext } from "../request-context.js";
import { EraseTenantPayloadType } from "../tenant/erase-tenant-payload.type.js";
import { TenantInput } from "../tenant/tenant.type.js";
import { ErasureReceiptType } from "./erasure.type.js";

@Resolver()
export class ErasureResolver {
  @Query(() => ErasureReceiptType, { nullable: true, description: "The receipt of a tenant's erasure, as it stands. For operators." })
  async erasure(@Arg("tenantId", () => ID) tenantId: string, @Ctx() context: RequestContext): Promise<ErasureRow> {
    const receipt = await asOperator(context).services.erasure.find(tenantId);
    if (receipt === undefined) throw notFound("ErasureReceipt");
    return receipt;
  }

  @Mutation(() => EraseTenantPayloadType, {
    nullable: true,
    description: "Erases a tenant for good: at once nobody is served, then every store is emptied and searched again. Waits as long as a request may; the work goes on without it. Again: tries the rest of what was `PARTIAL`. For operators.",
  })
  eraseTenant(@Arg("input", () => TenantInput) input: TenantInput, @Ctx() context: RequestContext): Promise<{ tenant: TenantRecord; receipt: ErasureRow }> {
    const { services, deadline } = asOperator(context);
    return services.erasure.erase(input.tenantId, deadline);
  }
}
