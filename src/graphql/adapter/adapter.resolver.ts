import "reflect-metadata";
import { Arg, Args, Ctx, ID, Mutation, Query, Resolver } from "type-graphql";
import { notFound } from "../../kernel/errors.js";
import { isWellFormedId, type AdapterId } from "../../kernel/ids.js";
import type { AdapterRow } from "../../storage/adapter-rows.js";
import { PageArgs, parsePageRequest, toConnection, type Connection } from "../connection.js";
import { asTenant, type RequestContext } from "../request-context.js";
import { AdapterConnectionType, AdapterType, DeleteAdapterInput, DeleteAdapterPayloadType, TrainAdapterInput, TrainAdapterPayloadType } from "./adapter.type.js";

@Resolver()
export class AdapterResolver {
  @Query(() => AdapterConnectionType, { nullable: true, description: "The tenant's own models, newest first." })
  async adapters(@Args(() => PageArgs) args: PageArgs, @Ctx() context: RequestContext): Promise<Connection<AdapterRow>> {
    const { services, tenant, deadline } = asTenant(context);
    const request = parsePageRequest(args);
    return toConnection(await services.stores.read(tenant, deadline, (store) => store.adapters.page(request)), request);
  }

  @Query(() => AdapterType, { nullable: true, description: "One adapter. `NOT_FOUND` when the tenant has none with this id." })
  async adapter(@Arg("id", () => ID) id: string, @Ctx() context: RequestContext): Promise<AdapterRow> {
    const row = await asTenant(context).loaders.adapter(id);
    if (row === undefined) throw notFound("Adapter");
    return row;
  }

  @Mutation(() => TrainAdapterPayloadType, { nullable: true, description: "Trains a model further on what this tenant's users found good, or corrected. Nothing of another tenant goes into it. For admins." })
  async trainAdapter(@Arg("input", () => TrainAdapterInput) { name, baseModel }: TrainAdapterInput, @Ctx() context: RequestContext): Promise<{ adapter: AdapterRow }> {
    const { services, tenant, deadline } = asTenant(context);
    return { adapter: await services.adapters.train(tenant, deadline, { name, baseModel }) };
  }

  @Mutation(() => DeleteAdapterPayloadType, { nullable: true, description: "Deletes an adapter with its weights; a training under way is cancelled, and the provider's copy removed. For admins." })
  async deleteAdapter(@Arg("input", () => DeleteAdapterInput) input: DeleteAdapterInput, @Ctx() context: RequestContext): Promise<DeleteAdapterPayloadType> {
    const { services, tenant, deadline, loaders } = asTenant(context);
    if (!isWellFormedId("adapter", input.adapterId)) throw notFound("Adapter");
    const id = input.adapterId as AdapterId;
    await services.adapters.remove(tenant, deadline, id);
    loaders.forget(id);
    return { adapterId: id };
  }
}
