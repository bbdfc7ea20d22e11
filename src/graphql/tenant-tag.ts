import { isObjectType, type GraphQLSchema } from "graphql";
import { internal, notFound } from "../kernel/errors.js";
import type { RequestContext } from "./request-context.js";

/** Types whose objects are a tenant's content. Each object carries the tenant it was read as. */
export const tenantOwnedTypes = ["Document", "Conversation", "Message", "SearchHit", "Citation", "Passage", "Adapter"] as const;

/**
 * The third wall. graphql-js asks `isTypeOf` for every object before it reads a field of it; there
 * the object's tenant is compared with the caller's. It holds when the engine's filter and the
 * store's own check are both gone. Denied as if the object were missing, and alarmed.
 */
export function compareTenantTags(schema: GraphQLSchema): void {
  for (const name of tenantOwnedTypes) {
    const type = schema.getType(name);
    if (!isObjectType(type)) throw internal(`Refusing to start: got no type ${name}, expected every tenant-owned type in the schema`);
    type.isTypeOf = (value: unknown, context: RequestContext) => {
      const tag = tagOf(value);
      if (context.kind === "TENANT" && tag === context.tenant.tenantId) return true;
      context.telemetry.alarm("tenant_tag_mismatch", {
        type: name,
        requestId: context.requestId,
        callerTenant: context.kind === "TENANT" ? context.tenant.tenantId : context.kind,
        objectTenant: tag ?? "none",
      });
      throw notFound(name);
    };
  }
}

/** An object without a tag belongs to nobody who asks: fails closed. */
function tagOf(value: unknown): string | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const { tenantId } = value as { tenantId?: unknown };
  return typeof tenantId === "string" ? tenantId : undefined;
}
