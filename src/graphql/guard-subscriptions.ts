import type { GraphQLFieldResolver, GraphQLSchema } from "graphql";
import { verdictOf, type FieldRules } from "./permissions.js";
import type { RequestContext } from "./request-context.js";

/**
 * Asks the field's rule before `subscribe` runs, in place. graphql-shield wraps `resolve` alone: an
 * anonymous caller's `subscribe` would run, open its source, and be refused only at the first event.
 */
export function guardSubscriptions(schema: GraphQLSchema, rules: FieldRules): void {
  for (const [name, field] of Object.entries(schema.getSubscriptionType()?.getFields() ?? {})) {
    const entry = rules.Subscription?.[name];
    const subscribe = field.subscribe as GraphQLFieldResolver<unknown, RequestContext> | undefined;
    if (subscribe === undefined) continue;
    field.subscribe = (parent: unknown, args, context: RequestContext, info) => {
      // Deny by default here too: that every field has an entry is asserted elsewhere, and this must not rest on it.
      const verdict = verdictOf(entry, context);
      if (verdict !== true) throw verdict;
      return subscribe(parent, args, context, info);
    };
  }
}
