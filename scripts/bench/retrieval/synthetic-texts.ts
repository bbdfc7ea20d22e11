/** Text and vectors of no meaning and the right statistics, the same in every run. */

export type Random = () => number;

/** Mulberry32: 0 up to 1, from a seed. */
export function seededRandom(seed: number): Random {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const vocabularySize = 20_000;
/** The thirty commonest words of a language are its stop words. They are left out for all: we drop them, minisearch would not. */
const firstRank = 31;

/** Draws words whose frequency falls with their rank (Zipf, exponent 1). */
export class ZipfWords {
  readonly #words: readonly string[];
  readonly #cumulative: Float64Array;

  constructor(private readonly random: Random) {
    const words = new Set<string>();
    while (words.size < vocabularySize) words.add(this.#newWord());
    this.#words = [...words];
    this.#cumulative = new Float64Array(vocabularySize);
    let sum = 0;
    for (let at = 0; at < vocabularySize; at += 1) this.#cumulative[at] = sum += 1 / (at + firstRank);
  }

  draw(count: number): readonly string[] {
    return Array.from({ length: count }, () => this.#words[this.#find(this.random() * (this.#cumulative.at(-1) ?? 0))] ?? "");
  }

  #find(target: number): number {
    let [low, high] = [0, vocabularySize - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#cumulative[middle] ?? 0) < target) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #newWord(): string {
    const of = (letters: string): string => letters[Math.floor(this.random() * letters.length)] ?? "";
    return Array.from({ length: 2 + Math.floor(this.random() * 3) }, () => of("bcdfghklmnprstvw") + of("aeiou")).join("") + of("knmrtp");
  }
}

/** Of length 1, in a direction that is as likely as any other. */
export function unitVector(random: Random, dimensions: number): Float32Array {
  const vector = new Float32Array(dimensions);
  let sum = 0;
  for (let at = 0; at < dimensions; at += 1) {
    // Box and Muller: normal coordinates make the direction uniform.
    const value = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
    vector[at] = value;
    sum += value * value;
  }
  const norm = Math.sqrt(sum);
  return vector.map((value) => value / norm);
}
