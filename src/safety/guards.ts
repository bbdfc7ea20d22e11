/**
 * The one place where text is checked on its way to a model and back. Before it comes the question as
 * it was asked; after it the door, and on the way back the caller. Tripwires, not walls: what keeps
 * tenants apart is the store.
 */
import { serviceUnavailable } from "../kernel/errors.js";
import { refusal, type Refusal } from "../kernel/refusal.js";
import type { Telemetry } from "../kernel/telemetry.js";
import type { GuardPolicy } from "../tenancy/guard-policy.js";
import type { TenantContext } from "../tenancy/tenant-context.js";
import { AnswerGuard, type AnswerIncident } from "./answer-guard.js";
import { scoreAttack } from "./attack-score.js";
import { newCanary } from "./canary.js";
import { passPrompt, type PassedPrompt, type PromptTexts } from "./passed-prompt.js";
import { isActedOn, Redactor, type SensitiveActions } from "./redactor.js";
import { findSensitive } from "./sensitive-text.js";

/** A question that was let through, as it goes on: without what the policy takes out of it. */
export interface CheckedQuestion {
  readonly kind: "CHECKED";
  readonly text: string;
}

export class Guards {
  constructor(private readonly telemetry: Telemetry) {}

  /** Before anything is spent. Throws `SERVICE_UNAVAILABLE` for a tier whose guards are set wrongly: nothing goes unguarded. */
  checkQuestion(context: TenantContext, question: string): CheckedQuestion | Refusal {
    this.telemetry.count("guard_questions_total");
    const policy = policyOf(context);
    if (policy.attacks !== "ALLOW") {
      const { isAttack, family = "none" } = scoreAttack(question);
      if (isAttack) {
        this.#count(policy.attacks, "input", family);
        if (policy.attacks === "BLOCK") return inputBlocked();
      }
    }
    return this.#checkSensitive(context, promptActions(policy), question);
  }

  /**
   * The only maker of what a model can be asked with: one of these for every call of a model, whatever
   * the operation. Passages, earlier turns and their summary that carry instructions are left out or counted, and
   * never a reason to refuse the question.
   */
  passPrompt<Passage extends { readonly text: string; readonly title: string }>(context: TenantContext, texts: PromptTexts<Passage>): PassedPrompt<Passage> {
    this.telemetry.count("guard_checks_total", { side: "input" });
    this.telemetry.count("guard_checks_total", { side: "output" });
    const policy = policyOf(context);
    const clean = this.#cleaner(context, policy);
    const canary = newCanary();
    const answer = new AnswerGuard(canary, answerActions(policy), context.tenantId, (incident) => this.#tellIncident(policy, incident));
    const { summary } = texts;
    return passPrompt({
      question: texts.question,
      ...(summary !== undefined && this.#isLetIn(policy, "summary", summary) ? { summary: clean(summary) } : {}),
      history: texts.history.filter((turn) => this.#isLetIn(policy, "history", turn.question, turn.answer)).map((turn) => ({ question: clean(turn.question), answer: clean(turn.answer) })),
      passages: texts.passages.filter(({ title, text }) => this.#isLetIn(policy, "passage", title, text)).map((passage) => ({ ...passage, title: clean(passage.title), text: clean(passage.text) })),
      canary,
      answer,
    });
  }

  /** For an answer that is given again without a model: the policy may have changed since it was made. */
  watchKept(context: TenantContext): AnswerGuard {
    this.telemetry.count("guard_checks_total", { side: "kept" });
    const policy = policyOf(context);
    return new AnswerGuard(newCanary(), answerActions(policy), context.tenantId, (incident) => this.#tellIncident(policy, incident));
  }

  #isLetIn({ passages }: GuardPolicy, side: string, ...texts: readonly string[]): boolean {
    if (passages === "ALLOW") return true;
    const attack = texts.map(scoreAttack).find(({ isAttack }) => isAttack);
    if (attack === undefined) return true;
    this.#count(passages, side, attack.family ?? "none");
    return passages === "FLAG";
  }

  #checkSensitive(context: TenantContext, actions: SensitiveActions, question: string): CheckedQuestion | Refusal {
    const values = Object.values(actions);
    if (values.every((action) => action === "ALLOW")) return { kind: "CHECKED", text: question };
    if (!values.some(isActedOn)) {
      for (const { sort, name } of findSensitive(question, context.tenantId)) if (actions[sort] === "FLAG") this.#count("FLAG", "input", name);
      return { kind: "CHECKED", text: question };
    }
    const redactor = new Redactor(actions, context.tenantId, ({ sort, name }) => this.#count(actions[sort], "input", name));
    const text = redactor.push(question) + redactor.flush();
    if (redactor.blocked === undefined) return { kind: "CHECKED", text };
    return refusal("GUARDRAIL_BLOCKED", `The question holds what the tenant's policy keeps from models: ${redactor.blocked}`);
  }

  /** For texts that others wrote: what is to block a question is taken out of them. */
  #cleaner({ tenantId }: TenantContext, policy: GuardPolicy): (text: string) => string {
    const { SECRET, PERSONAL } = promptActions(policy);
    if (!isActedOn(SECRET) && !isActedOn(PERSONAL)) return (text) => text;
    const actions: SensitiveActions = { SECRET: isActedOn(SECRET) ? "REDACT" : "ALLOW", PERSONAL: isActedOn(PERSONAL) ? "REDACT" : "ALLOW", FOREIGN_TENANT: "ALLOW" };
    return (text) => {
      const redactor = new Redactor(actions, tenantId, ({ name }) => this.#count("REDACT", "prompt", name));
      return redactor.push(text) + redactor.flush();
    };
  }

  #tellIncident(policy: GuardPolicy, incident: AnswerIncident): void {
    if (typeof incident !== "string") return this.#count(answerActions(policy)[incident.sort], "output", incident.name);
    this.#count("BLOCK", "output", incident.toLowerCase());
    if (incident === "FOREIGN_CANARY") this.telemetry.log("error", "An answer held the canary of another call's prompt: its model mixes calls");
  }

  #count(action: "ALLOW" | "FLAG" | "REDACT" | "DROP" | "BLOCK", side: string, pattern: string): void {
    if (action === "BLOCK") this.telemetry.count("guard_blocks_total", { side, pattern });
    else this.telemetry.count("guard_flags_total", { side, pattern, action });
  }
}

function policyOf({ policy: { guard } }: TenantContext): GuardPolicy {
  if (guard.kind === "BROKEN") throw serviceUnavailable("The guardrails of the tenant's tier are set wrongly, and nothing is answered without them");
  return guard.policy;
}

function promptActions({ secretsInPrompt, personalDataInPrompt }: GuardPolicy): SensitiveActions {
  return { SECRET: secretsInPrompt, PERSONAL: personalDataInPrompt, FOREIGN_TENANT: "ALLOW" };
}

function answerActions({ secretsInAnswer, personalDataInAnswer, foreignTenantsInAnswer }: GuardPolicy): SensitiveActions {
  return { SECRET: secretsInAnswer, PERSONAL: personalDataInAnswer, FOREIGN_TENANT: foreignTenantsInAnswer };
}

/** One text for all rules: naming the one that was tripped would teach how to step around it. */
function inputBlocked(): Refusal {
  return refusal("GUARDRAIL_BLOCKED", "The question looks like an attempt to change or read out the assistant's instructions, or to reach another tenant");
}
