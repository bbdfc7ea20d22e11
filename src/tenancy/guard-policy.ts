import { z } from "zod";

/** What is done with a text that trips a guard: nothing, count it, take the part out, refuse the question or stop the answer. */
export type GuardAction = "ALLOW" | "FLAG" | "REDACT" | "BLOCK";

const action = z.enum(["ALLOW", "FLAG", "REDACT", "BLOCK"]);

const guardPolicySchema = z.strictObject({
  /** A question that looks like an attack. */
  attacks: z.enum(["ALLOW", "FLAG", "BLOCK"]).default("BLOCK"),
  /** A passage or an earlier turn that carries instructions. Never a reason to refuse the question: its author is another. */
  passages: z.enum(["ALLOW", "FLAG", "DROP"]).default("FLAG"),
  /** Keys, tokens, passwords on their way to the model: in the question, and with `REDACT` in passages and earlier turns too. */
  secretsInPrompt: action.default("FLAG"),
  personalDataInPrompt: action.default("ALLOW"),
  secretsInAnswer: action.default("FLAG"),
  personalDataInAnswer: action.default("ALLOW"),
  /** A tenant id in an answer that is not the asking tenant's. */
  foreignTenantsInAnswer: action.default("FLAG"),
});

export type GuardPolicy = Readonly<z.infer<typeof guardPolicySchema>>;

/** A tier whose guards are set wrongly is not answered; the other tiers are. */
export type GuardSetting = { readonly kind: "SET"; readonly policy: GuardPolicy } | { readonly kind: "BROKEN"; readonly problem: string };

/** Never throws: a wrong entry in one tier must not keep the server from starting, nor let that tier go unguarded. */
export function readGuardSetting(json: unknown): GuardSetting {
  // Left out is left to the defaults; `null` and anything else that is no object is a mistake.
  const parsed = guardPolicySchema.safeParse(json === undefined ? {} : json);
  if (parsed.success) return Object.freeze({ kind: "SET", policy: Object.freeze(parsed.data) });
  const issue = parsed.error.issues[0];
  return Object.freeze({ kind: "BROKEN", problem: `${["guard", ...(issue?.path ?? [])].join(".")}: ${issue?.message ?? "not a guard policy"}` });
}
