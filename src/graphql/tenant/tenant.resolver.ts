import "reflect-metadata";
import { Arg, Args, Ctx, FieldResolver, ID, Int, Mutation, Query, Resolver, Root } from "type-graphql";
import { badUserInput, notFound } from "../../kernel/errors.js";
import type { PlacementMoveRow } from "../../storage/control/control-plane.js";
import type { ErasureRow } from "../../storage/control/erasure-rows.js";
import type { SiloIsolation } from "../../storage/silo-provider.js";
import { placementName, type TenantRecord } from "../../tenancy/tenant-record.js";
import { PageArgs, parsePageRequest, toConnection, type Connection } from "../connection.js";
import { placementEnum } from "../enums.js";
import { ErasureReceiptType } from "../erasure/erasure.type.js";
import { PlacementMoveType } from "../placement-move/placement-move.type.js";
import { asOperator, type RequestContext } from "../request-context.js";
import {
  ChangeTierInput, ChangeTierPayloadType, CreateTenantInput, RotateTenantKeyPayloadType, TenantConnectionType, TenantFilterInput,
  TenantInput, TenantIsolationType, TenantPayloadType, TenantType,
} from "./tenant.type.js";

const nameCharsMax = 256;

@Resolver(() => TenantType)
export class TenantResolver {
  @Query(() => TenantConnectionType, { nullable: true, description: "All tenants but the isolation audit's own, which `tenant` shows. For operators." })
  async tenants(
    @Args(() => PageArgs) args: PageArgs,
    @Arg("filter", () => TenantFilterInput, { nullable: true }) filter: TenantFilterInput | undefined,
    @Ctx() context: RequestContext,
  ): Promise<Connection<TenantRecord>> {
    const request = parsePageRequest(args);
    const { tiers, states } = filter ?? {};
    return toConnection(await asOperator(context).services.tenants.page(request, { ...(tiers ? { tiers } : {}), ...(states ? { states } : {}) }), request);
  }

  @Query(() => TenantType, { nullable: true, description: "One tenant. For operators." })
  async tenant(@Arg("id", () => ID) id: string, @Ctx() context: RequestContext): Promise<TenantRecord> {
    const record = await asOperator(context).services.tenants.find(id);
    if (record === undefined) throw notFound("Tenant");
    return record;
  }

  @FieldResolver(() => placementEnum)
  placement(@Root() tenant: TenantRecord): keyof typeof placementEnum {
    return placementName(tenant.placement);
  }

  @FieldResolver(() => Int)
  placementEpoch(@Root() tenant: TenantRecord): number {
    return tenant.placement.epoch;
  }

  @FieldResolver(() => PlacementMoveType, { nullable: true })
  latestMove(@Root() tenant: TenantRecord, @Ctx() context: RequestContext): Promise<PlacementMoveRow | undefined> {
    return asOperator(context).services.tenants.latestMove(tenant.id);
  }

  @FieldResolver(() => TenantIsolationType, { nullable: true })
  isolation(@Root() tenant: TenantRecord, @Ctx() context: RequestContext): Promise<SiloIsolation | undefined> {
    return asOperator(context).services.tenants.isolation(tenant);
  }

  @FieldResolver(() => ErasureReceiptType, { nullable: true })
  erasure(@Root() tenant: TenantRecord, @Ctx() context: RequestContext): Promise<ErasureRow | undefined> {
    return asOperator(context).services.erasure.find(tenant.id);
  }

  @Mutation(() => TenantPayloadType, { nullable: true, description: "Adds a tenant. `CONFLICT` when the id is taken. For operators." })
  async createTenant(@Arg("input", () => CreateTenantInput) input: CreateTenantInput, @Ctx() context: RequestContext): Promise<{ tenant: TenantRecord }> {
    const name = input.name.trim();
    if (name.length === 0 || name.length > nameCharsMax) throw badUserInput("name", `${name.length} characters`, `1 to ${nameCharsMax}`);
    const { id, tier, placement, cluster } = input;
    return { tenant: await asOperator(context).services.tenants.create({ id, name, tier, ...(placement ? { placement } : {}), ...(cluster ? { cluster } : {}) }) };
  }

  @Mutation(() => ChangeTierPayloadType, { nullable: true, description: "Changes a tenant's tier. New limits hold at once; if the new tier has another home, a move begins. While a move is observed, a tier at home where the tenant came from calls it back; in its other phases `CONFLICT`. For operators." })
  async changeTier(@Arg("input", () => ChangeTierInput) input: ChangeTierInput, @Ctx() context: RequestContext): Promise<{ tenant: TenantRecord; placementMove: PlacementMoveRow | undefined }> {
    const { tenant, move } = await asOperator(context).services.tenants.changeTier(input.tenantId, input.tier, input.cluster ?? undefined);
    return { tenant, placementMove: move };
  }

  @Mutation(() => TenantPayloadType, { nullable: true, description: "Stops serving a tenant's callers, on every server in under a second. Its data stays. For operators." })
  async suspendTenant(@Arg("input", () => TenantInput) input: TenantInput, @Ctx() context: RequestContext): Promise<{ tenant: TenantRecord }> {
    return { tenant: await asOperator(context).services.tenants.suspend(input.tenantId) };
  }

  @Mutation(() => RotateTenantKeyPayloadType, { nullable: true, description: "Gives a tenant's silo a new key and destroys the old one, while it is read and written. `CONFLICT` for a tenant in the pool. For operators." })
  async rotateTenantKey(@Arg("input", () => TenantInput) input: TenantInput, @Ctx() context: RequestContext): Promise<{ tenant: TenantRecord; finished: boolean; keyVersion?: number; rowsResealed?: number }> {
    const { services, deadline } = asOperator(context);
    const { tenant, rotation } = await services.keys.rotate(input.tenantId, deadline);
    return { tenant, finished: rotation !== undefined, ...(rotation === undefined ? {} : { keyVersion: rotation.version, rowsResealed: rotation.rows }) };
  }

  @Mutation(() => TenantPayloadType, { nullable: true, description: "Serves a suspended tenant's callers again. For operators." })
  async reactivateTenant(@Arg("input", () => TenantInput) input: TenantInput, @Ctx() context: RequestContext): Promise<{ tenant: TenantRecord }> {
    return { tenant: await asOperator(context).services.tenants.reactivate(input.tenantId) };
  }
}
