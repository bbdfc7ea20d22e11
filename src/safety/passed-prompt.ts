import type { AnswerGuard } from "./answer-guard.js";

export interface PromptTexts<Passage> {
  readonly question: string;
  /** Of what was said before `history`. */
  readonly summary?: string;
  readonly history: readonly { readonly question: string; readonly answer: string }[];
  readonly passages: readonly Passage[];
}

interface Passed<Passage> extends PromptTexts<Passage> {
  /** For the system prompt of this one call. */
  readonly canary: string;
  /** Everything the model says goes through it. */
  readonly answer: AnswerGuard;
}

// Known to this file alone: a prompt that did not pass cannot be made to look as if it had.
const makerKey = Symbol("maker of PassedPrompt");

/** What a model may be asked with. Whoever calls a model takes one of these, so no route leads past the guards. */
export class PassedPrompt<Passage> implements Passed<Passage> {
  readonly question: string;
  readonly summary?: string;
  readonly history: PromptTexts<Passage>["history"];
  readonly passages: readonly Passage[];
  readonly canary: string;
  readonly answer: AnswerGuard;

  constructor(key: symbol, passed: Passed<Passage>) {
    if (key !== makerKey) throw new TypeError("PassedPrompt is made by the guards alone");
    this.question = passed.question;
    if (passed.summary !== undefined) this.summary = passed.summary;
    this.history = passed.history;
    this.passages = passed.passages;
    this.canary = passed.canary;
    this.answer = passed.answer;
    Object.freeze(this);
  }
}

/** For `Guards` alone. */
export function passPrompt<Passage>(passed: Passed<Passage>): PassedPrompt<Passage> {
  return new PassedPrompt(makerKey, passed);
}
