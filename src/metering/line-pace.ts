/** Turns after which a line's pace is believed. */
const knownAfterTurns = 16;
/** The least weight of the latest turn in the mean. */
const smoothing = 0.05;

/**
 * How fast a line moves: the time from one turn given to a waiting call to the next, whatever
 * bounds it (slots, rates, leases, higher classes). Known from the present line alone: once nobody
 * waits it is forgotten, so no slow hour of the past refuses anybody.
 */
export class LinePace {
  #turns = 0;
  #turnMs = 0;
  #at = 0;

  /** Milliseconds a turn; undefined while too little is known. */
  get turnMs(): number | undefined {
    return this.#turns < knownAfterTurns ? undefined : this.#turnMs;
  }

  /** Somebody waits, and nobody did before. */
  began(now: number): void {
    this.#turns = 0;
    this.#turnMs = 0;
    this.#at = now;
  }

  moved(now: number): void {
    this.#turns += 1;
    this.#turnMs += (now - this.#at - this.#turnMs) * Math.max(1 / this.#turns, smoothing);
    this.#at = now;
  }
}
