/**
 * The GraphQL layer: translates between callers and use cases, and decides nothing. Before it: the
 * gateway, with a verified caller in the context. After it: the ports of `services.ts`.
 */
import "reflect-metadata";
import { lexicographicSortSchema, printSchema, type GraphQLSchema } from "graphql";
import { buildSchemaSync, type PubSub } from "type-graphql";
import { internal } from "../kernel/errors.js";
import { AdapterResolver } from "./adapter/adapter.resolver.js";
import { AnswerResolver } from "./answer/answer.resolver.js";
import { AuditResolver } from "./audit/audit.resolver.js";
import { applyPermissions } from "./apply-permissions.js";
import { ConversationResolver } from "./conversation/conversation.resolver.js";
import { MessageResolver } from "./conversation/message.resolver.js";
import { DocumentResolver } from "./document/document.resolver.js";
import { FeedbackResolver } from "./feedback/feedback.resolver.js";
import { guardSubscriptions } from "./guard-subscriptions.js";
import { ErasureResolver } from "./erasure/erasure.resolver.js";
import { HeatmapResolver } from "./heatmap/heatmap.resolver.js";
import { LatencyResolver } from "./latency/latency.resolver.js";
import { fieldRules, type FieldRules } from "./permissions.js";
import { PassageResolver } from "./passage/passage.resolver.js";
import { PlacementMoveResolver } from "./placement-move/placement-move.resolver.js";
import { QuotaResolver } from "./quota/quota.resolver.js";
import { assertRuleCoverage, type RuleCoverage } from "./rule-coverage.js";
import { SearchResolver } from "./search/search.resolver.js";
import { TenantResolver } from "./tenant/tenant.resolver.js";
import { compareTenantTags } from "./tenant-tag.js";
import { RerateResolver } from "./usage/rerate.resolver.js";
import { UsageResolver } from "./usage/usage.resolver.js";
import { ViewerResolver } from "./viewer/viewer.resolver.js";

export interface GuardedSchema {
  readonly schema: GraphQLSchema;
  readonly coverage: RuleCoverage;
}

/** The schema with every guard in place. Throws when a field has no permission rule. */
export function buildGuardedSchema(rules: FieldRules = fieldRules): GuardedSchema {
  const schema = buildBareSchema();
  const coverage = assertRuleCoverage(schema, rules);
  compareTenantTags(schema);
  applyPermissions(schema, rules);
  guardSubscriptions(schema, rules);
  return { schema, coverage };
}

/** As `schema/schema.graphql` keeps it: sorted, so that moving a class is no difference. */
export function printSortedSchema(): string {
  return `${printSchema(lexicographicSortSchema(buildBareSchema()))}\n`;
}

/**
 * type-graphql asks for one, but no subscription here has a topic: a topic is shared by whoever
 * knows its name, and every source of ours is opened for one caller.
 */
const noTopics: PubSub = {
  publish() {
    throw internal("Topics are not used");
  },
  subscribe() {
    throw internal("Topics are not used");
  },
};

function buildBareSchema(): GraphQLSchema {
  return buildSchemaSync({
    resolvers: [
      ViewerResolver, QuotaResolver, DocumentResolver, PassageResolver, SearchResolver, ConversationResolver, MessageResolver,
      AnswerResolver, UsageResolver, RerateResolver, TenantResolver, ErasureResolver, PlacementMoveResolver,
      AdapterResolver, FeedbackResolver,
      HeatmapResolver, LatencyResolver,
      AuditResolver,
    ],
    // Inputs are parsed by our own functions: class-validator puts the whole input into the error it sends back.
    validate: false,
    pubSub: noTopics,
  });
}
