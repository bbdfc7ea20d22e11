import { z } from "zod";
import { badUserInput } from "../kernel/errors.js";
import { readGuardSetting, type GuardSetting } from "./guard-policy.js";

export type Tier = "FREE" | "PRO" | "ENTERPRISE";
export const tiers: readonly Tier[] = ["FREE", "PRO", "ENTERPRISE"];

/** Where a tenant's data is at home. `MOVING` is a state of a placement, not a home. */
export type HomeKind = "POOL" | "SILO";

const count = z.int().positive();

const tierPolicySchema = z.strictObject({
  placement: z.enum(["POOL", "SILO"]),
  /** Share of the model pool relative to other tenants that wait. */
  weight: count,
  requestsPerMinute: count,
  tokensPerMinute: count,
  maxDocuments: count,
  maxChunks: count,
  /** Sum of the raw sizes of all documents and of all adapters' weights. */
  maxBytes: count,
  maxDocumentBytes: count,
  maxQuestionChars: count,
  maxAnswerTokens: count,
  contextTokens: count,
  historyTokens: count,
  models: z.array(z.string().min(1)).min(1),
  /** Adapters of a tenant that are trained at one time. Left out: 1. */
  trainingsAtOnce: count.optional(),
  /** Trainings of a tenant that may be begun in a month of UTC. Left out: no bound. */
  trainingsPerMonth: count.optional(),
  /** The part of the limits a minute that one user of the tenant may have. Left out: one user may have all. */
  userShare: z.number().gt(0).max(1).optional(),
  /** Millionths of a dollar that a tenant may spend on models in a day and in a month of UTC. Left out: no bound. */
  budgetDayMicroUsd: count.optional(),
  budgetMonthMicroUsd: count.optional(),
  /** Model calls of a tenant at one time over all servers, those that wait for their turn included. Left out: no bound. */
  concurrentCalls: count.optional(),
  /** When an earlier answer stands for a new one. What is left out is as `memory/cache-policy.ts` has it; `maxEntries` 0: never. */
  cache: z
    .strictObject({ minSimilarity: z.number().min(0.5).max(1), ttlSeconds: count.max(86_400), maxEntries: z.int().min(0).max(5_000) })
    .partial()
    .optional(),
  /** How long a conversation is kept after its latest turn. Left out: until it is cleared. */
  conversationDays: count.max(3_650).optional(),
  /** Read apart: see `readGuardSetting`. */
  guard: z.unknown().optional(),
});

/** What a tier allows. Token figures are counted as `kernel`'s tokenizer port counts them. */
export type TierPolicy = Readonly<Omit<z.infer<typeof tierPolicySchema>, "guard">> & { readonly tier: Tier; readonly guard: GuardSetting };
export type TierPolicies = Readonly<Record<Tier, TierPolicy>>;

/** Parses `tenants/tiers.json`. Throws `BAD_USER_INPUT` naming the entry that is wrong. */
export function parseTierPolicies(json: unknown): TierPolicies {
  const parsed = z.strictObject({ FREE: tierPolicySchema, PRO: tierPolicySchema, ENTERPRISE: tierPolicySchema }).safeParse(json);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw badUserInput(`tiers.json ${issue?.path.join(".") ?? ""}`, "an invalid entry", issue?.message ?? "a valid tier policy");
  }
  const withTier = (tier: Tier): TierPolicy =>
    Object.freeze({ ...parsed.data[tier], models: Object.freeze(parsed.data[tier].models) as string[], guard: readGuardSetting(parsed.data[tier].guard), tier });
  return Object.freeze({ FREE: withTier("FREE"), PRO: withTier("PRO"), ENTERPRISE: withTier("ENTERPRISE") });
}

/** What is wrong with tiers' guards, by tier, to be told at start: their tenants are not answered until it is right. */
export function guardProblems(policies: TierPolicies): readonly string[] {
  return tiers.flatMap((tier) => {
    const { guard } = policies[tier];
    return guard.kind === "BROKEN" ? [`tiers.json ${tier}.${guard.problem}`] : [];
  });
}
