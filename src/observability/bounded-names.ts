/** What stands for everyone without a name of their own. No id of a tenant begins like it. */
export const others = "_other";

/** Names that are given in all. With the labels beside it, a metric by tenant stays under a thousand series. */
const namesMaxDefault = 100;

/** Events of one who has no name until they get one of those that are kept for the busiest. */
const eventsMinDefault = 500;

/** Those without a name whose events are being counted; past it the counts begin anew. */
const countedMax = 2_000;

/**
 * Which values of a label have a time series of their own. The first half of the names goes to those
 * who come first, so a small deployment sees everybody; the other half to whoever reaches a number of
 * events, so that in a large one they are the busiest and no flood of small ones uses them up.
 *
 * A name that was given stays for the life of the process, and what was counted under `_other`
 * stays there. So every event is in exactly one series, no counter ever falls, and sums add up.
 */
export class BoundedNames {
  readonly #names = new Set<string>();
  readonly #counts = new Map<string, number>();

  constructor(
    private readonly namesMax = namesMaxDefault,
    private readonly eventsMin = eventsMinDefault,
  ) {}

  /** The name under which an event is counted. Call it once an event. */
  nameOf(value: string): string {
    if (this.#names.has(value)) return value;
    if (this.#names.size >= this.namesMax) return others;
    if (this.#names.size < this.namesMax / 2) return this.#give(value);
    const events = (this.#counts.get(value) ?? 0) + 1;
    if (events >= this.eventsMin) return this.#give(value);
    if (this.#counts.size >= countedMax) this.#counts.clear();
    this.#counts.set(value, events);
    return others;
  }

  #give(value: string): string {
    this.#names.add(value);
    this.#counts.delete(value);
    return value;
  }
}
