/** Tokens left when more is asked for: a model's next pieces come while the answer is on its way. */
const nearTokens = 32;
/** Asked for at once. One in some seconds of a model's speech, and little to give back. */
const stepTokens = 128;

/** How long an answer may become with what is reserved for it, and what happens when that runs out. */
export class AnswerAllowance {
  #isRefused = false;

  constructor(
    private held: number,
    private readonly most: number,
    private readonly more: (tokens: number) => Promise<boolean>,
  ) {}

  /** More was asked for and not given: the answer's length then says nothing about the model. */
  get isRefused(): boolean {
    return this.#isRefused;
  }

  /** Whether the answer may go on after `tokens` of it, more being reserved for it if need be. Never rejects. */
  async covers(tokens: number): Promise<boolean> {
    while (!this.#isRefused && this.held < this.most && tokens + nearTokens > this.held) {
      const step = Math.min(stepTokens, this.most - this.held);
      // A store that fails gives nothing either: what cannot be counted is not spent.
      if (await this.more(step).catch(() => false)) this.held += step;
      else this.#isRefused = true;
    }
    // The rest of what is held is still the answer's. At `most` the model itself ends.
    return !this.#isRefused || tokens < this.held;
  }
}
