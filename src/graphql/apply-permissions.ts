import { defaultFieldResolver, isObjectType, type GraphQLFieldResolver, type GraphQLSchema } from "graphql";
import { shield, type IRule } from "graphql-shield";
import { forbidden, internal } from "../kernel/errors.js";
import type { FieldRules } from "./permissions.js";
import type { RequestContext } from "./request-context.js";

type Resolver = GraphQLFieldResolver<unknown, RequestContext>;
type ShieldMiddleware = (resolve: Resolver, ...rest: Parameters<Resolver>) => unknown;

/**
 * Puts graphql-shield in front of the fields whose entry looks at the caller, in place. Plain allows
 * are left out: shield wraps those too, and wrapping every leaf halves throughput. Subscriptions get
 * their rule from `guard-subscriptions.ts` as well, since shield never sees `subscribe`.
 */
export function applyPermissions(schema: GraphQLSchema, rules: FieldRules): void {
  const tree = shieldTree(rules);
  // True, or shield turns every error of a resolver into its own; what may be shown is decided by mask-errors.ts.
  const generated = shield(tree, { allowExternalErrors: true, fallbackError: forbidden() }).generate(schema);
  for (const [typeName, byField] of Object.entries(tree)) {
    const type = schema.getType(typeName);
    if (!isObjectType(type)) continue;
    const middlewares = (generated as Record<string, Record<string, ShieldMiddleware>>)[typeName] ?? {};
    for (const fieldName of Object.keys(byField)) {
      const field = type.getFields()[fieldName];
      const middleware = middlewares[fieldName];
      // A rule that shield did not turn into a guard must not pass for one.
      if (field === undefined || middleware === undefined) throw forbidden(`No guard could be made for ${typeName}.${fieldName}`);
      const resolve = throwingErrorsOnly(field.resolve ?? defaultFieldResolver);
      field.resolve = (parent, args, context: RequestContext, info) => middleware(resolve, parent, args, context, info);
    }
  }
}

/** Shield returns what a resolver threw, and graphql-js takes only an `Error` for one: anything else would be answered as data. */
function throwingErrorsOnly(resolve: Resolver): Resolver {
  return async (parent, args, context, info): Promise<unknown> => {
    try {
      return await resolve(parent, args, context, info);
    } catch (error) {
      throw error instanceof Error ? error : internal("A resolver threw something that is no error", error);
    }
  };
}

function shieldTree(rules: FieldRules): Record<string, Record<string, IRule>> {
  const tree: Record<string, Record<string, IRule>> = {};
  for (const [type, byField] of Object.entries(rules)) {
    const guarded = Object.entries(byField).flatMap(([field, entry]) => (entry.kind === "RULE" ? [[field, entry.shield] as const] : []));
    if (guarded.length > 0) tree[type] = Object.fromEntries(guarded);
  }
  return tree;
}
