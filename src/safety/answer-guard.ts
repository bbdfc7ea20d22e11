import { refusal, type Refusal } from "../kernel/refusal.js";
import { CanaryGate } from "./canary.js";
import { isActedOn, Redactor, type SensitiveActions } from "./redactor.js";
import { findSensitive, type Found } from "./sensitive-text.js";

export type AnswerIncident = "OWN_CANARY" | "FOREIGN_CANARY" | Found;

/** Watches one answer on its way out. Holds back what may still become something that must not go out, and no more. */
export class AnswerGuard {
  readonly #canaries: CanaryGate;
  readonly #redactor: Redactor | undefined;
  #seen = "";

  constructor(
    canary: string,
    private readonly actions: SensitiveActions,
    private readonly ownTenant: string,
    private readonly onIncident: (incident: AnswerIncident) => void,
  ) {
    this.#canaries = new CanaryGate(canary);
    if (Object.values(actions).some(isActedOn)) this.#redactor = new Redactor(actions, ownTenant, onIncident);
  }

  /** The part of the answer that may go out now, or a refusal after which nothing may. */
  push(text: string): string | Refusal {
    const passed = this.#canaries.push(text);
    const { leak } = this.#canaries;
    if (leak !== undefined) {
      this.onIncident(leak);
      return refusal("GUARDRAIL_BLOCKED", "The answer was stopped because it gave away the assistant's instructions");
    }
    return this.#released(passed, false);
  }

  /** What was still held when the answer ended. */
  flush(): string | Refusal {
    const rest = this.#released(this.#canaries.flush(), true);
    if (this.#redactor === undefined && Object.values(this.actions).includes("FLAG")) this.#flag();
    return rest;
  }

  /** A text beside the answer, such as the quotation of a citation, under the same policy. */
  clean(text: string): string {
    if (this.#redactor === undefined) return text;
    const shown = Object.fromEntries(Object.entries(this.actions).map(([sort, action]) => [sort, isActedOn(action) ? "REDACT" : "ALLOW"])) as unknown as SensitiveActions;
    const redactor = new Redactor(shown, this.ownTenant, () => undefined);
    return redactor.push(text) + redactor.flush();
  }

  #released(text: string, isEnd: boolean): string | Refusal {
    if (this.#redactor === undefined) {
      this.#seen += text;
      return text;
    }
    const released = this.#redactor.push(text) + (isEnd ? this.#redactor.flush() : "");
    if (this.#redactor.blocked === undefined) return released;
    return refusal("GUARDRAIL_BLOCKED", `The answer was stopped because it held what the tenant's policy keeps in: ${this.#redactor.blocked}`);
  }

  /** Nothing of it is held back, so it is looked at whole. */
  #flag(): void {
    for (const found of findSensitive(this.#seen, this.ownTenant)) if (this.actions[found.sort] === "FLAG") this.onIncident(found);
  }
}
