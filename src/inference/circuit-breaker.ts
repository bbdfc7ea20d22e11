/** The last outcomes that are looked at. */
const windowLength = 20;
/** So many failures without a success between them open the circuit: a dead endpoint is found at once. */
const inRowMax = 5;
/** So many of the window: one that works every other time is not worth asking. */
const inWindowMax = 10;
const openMsMin = 5_000;
const openMsMax = 60_000;
/** Servers that saw the same fault must not come back at the same moment. */
const jitter = 0.2;

export type CircuitState = "CLOSED" | "OPEN" | "HALF_OPEN";

/**
 * Whether an endpoint is worth asking. Closed, until too much fails; then open for 5 s, doubling to 60 s;
 * then one call is let through and decides. Told of outcomes instead of wrapping calls: a stream can
 * fail after it began, and one whose client left says nothing of the endpoint.
 */
export class CircuitBreaker {
  #outcomes: boolean[] = [];
  #openUntil: number | undefined;
  #openings = 0;
  #hasTrial = false;

  /** `onChange` hears `OPEN` once until `CLOSED`, whatever trials (`HALF_OPEN`) fail between: so one more `OPEN` than `CLOSED` means shut. `now` in ms of any origin. */
  constructor(
    private readonly onChange: (state: CircuitState) => void,
    private readonly now: () => number = () => performance.now(),
    private readonly random: () => number = Math.random,
  ) {}

  /** Until then the endpoint is left alone; undefined while the circuit is closed. */
  get openUntil(): number | undefined {
    return this.#openUntil;
  }

  /** A call runs that decides whether the circuit closes. */
  get hasTrial(): boolean {
    return this.#hasTrial;
  }

  get isReady(): boolean {
    return this.#openUntil === undefined || (this.now() >= this.#openUntil && !this.#hasTrial);
  }

  /** A call begins. True if it is a trial: then exactly one of `succeed`, `fail` and `drop` must hear of its end. */
  begin(): boolean {
    if (this.#openUntil === undefined) return false;
    this.#hasTrial = true;
    this.onChange("HALF_OPEN");
    return true;
  }

  succeed(isTrial: boolean): void {
    if (isTrial && this.#openUntil !== undefined) {
      this.#close();
      return;
    }
    this.#record(true);
    // It has worked on: the next fault begins with a short wait again.
    if (this.#openUntil === undefined) this.#openings = 0;
  }

  fail(isTrial: boolean): void {
    if (isTrial && this.#openUntil !== undefined) {
      this.#open();
      return;
    }
    this.#record(false);
    // Calls that began before it opened tell nothing new.
    if (this.#openUntil === undefined && this.#isTooMuch()) this.#open();
  }

  /** A trial ended without a verdict, for instance because its client left: the next call is one. */
  drop(isTrial: boolean): void {
    if (!isTrial || this.#openUntil === undefined) return;
    this.#hasTrial = false;
  }

  #record(isSuccess: boolean): void {
    this.#outcomes.push(isSuccess);
    if (this.#outcomes.length > windowLength) this.#outcomes.shift();
  }

  #isTooMuch(): boolean {
    const failures = this.#outcomes.filter((isSuccess) => !isSuccess).length;
    return failures >= inWindowMax || (failures >= inRowMax && this.#outcomes.slice(-inRowMax).every((isSuccess) => !isSuccess));
  }

  #open(): void {
    if (this.#openUntil === undefined) this.onChange("OPEN");
    const length = Math.min(openMsMax, openMsMin * 2 ** this.#openings);
    this.#openUntil = this.now() + length * (1 + jitter * (2 * this.random() - 1));
    this.#openings += 1;
    this.#hasTrial = false;
    this.#outcomes = [];
  }

  #close(): void {
    this.#openUntil = undefined;
    this.#hasTrial = false;
    this.#outcomes = [];
    this.onChange("CLOSED");
  }
}
