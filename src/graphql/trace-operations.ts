import { defaultFieldResolver, type GraphQLFieldResolver, type GraphQLObjectType, type GraphQLSchema, type OperationDefinitionNode } from "graphql";
import type { Span, SpanAttributes, Tracing } from "../kernel/tracing.js";
import { placementName } from "../tenancy/tenant-record.js";
import { meantError } from "./mask-errors.js";
import type { RequestContext } from "./request-context.js";
import { toldName } from "./request-facts.js";

type Resolver = GraphQLFieldResolver<unknown, RequestContext>;

/** Spans of operations, by the context that is made for each. */
export class OperationTraces {
  readonly #spans = new WeakMap<RequestContext, Span>();

  constructor(private readonly tracing: Tracing) {}

  begin(operation: OperationDefinitionNode, context: RequestContext): void {
    if (!this.tracing.isOn) return;
    const name = toldName(operation);
    const attributes = tenantAttributes(context);
    this.tracing.annotate(attributes);
    this.#spans.set(context, this.tracing.begin(`${operation.operation}${name === undefined ? "" : ` ${name}`}`, { "graphql.operation.type": operation.operation, ...(name === undefined ? {} : { "graphql.operation.name": name }), ...attributes }));
  }

  /** Harmless when it was not begun or has ended. */
  end(context: RequestContext): void {
    this.#spans.get(context)?.end();
    this.#spans.delete(context);
  }

  within<T>(context: RequestContext, work: () => T): T {
    const span = this.#spans.get(context);
    return span === undefined ? work() : this.tracing.within(span, work);
  }

  /** Puts a span around every root field, in place: wrapping more of them would cost what it tells. */
  traceRootFields(schema: GraphQLSchema): void {
    if (!this.tracing.isOn) return;
    for (const type of [schema.getQueryType(), schema.getMutationType()]) if (type) this.#traceFields(type, "resolve");
    const subscriptions = schema.getSubscriptionType();
    if (subscriptions) this.#traceFields(subscriptions, "subscribe");
  }

  #traceFields(type: GraphQLObjectType, hook: "resolve" | "subscribe"): void {
    for (const field of Object.values(type.getFields())) {
      const inner: Resolver = (field[hook] as Resolver | undefined) ?? defaultFieldResolver;
      const name = `${type.name}.${field.name}`;
      field[hook] = (parent: unknown, args, context: RequestContext, info) =>
        this.within(context, () =>
          this.tracing.run(name, {}, async (span) => {
            try {
              return (await inner(parent, args, context, info)) as unknown;
            } catch (error) {
              span.fail(meantError(error)?.code ?? "INTERNAL");
              throw error;
            }
          }),
        );
    }
  }
}

export function tenantAttributes(context: RequestContext): SpanAttributes {
  if (context.kind !== "TENANT") return { "bulkhead.caller": context.kind };
  const { tenantId, policy, record } = context.tenant;
  return { "bulkhead.tenant.id": tenantId, "bulkhead.tenant.tier": policy.tier, "bulkhead.tenant.placement": placementName(record.placement), "bulkhead.tenant.epoch": record.placement.epoch };
}
