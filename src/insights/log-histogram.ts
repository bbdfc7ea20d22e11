/**
 * A histogram of milliseconds in buckets whose bounds grow by a fixed factor. Two of the same kind
 * are merged by adding counts, so they add up over periods and servers in any order.
 */

/** A quantile read from it is off by at most this part of the true value. */
export const relativeErrorMax = 0.05;
/** With bounds of this ratio, the value `2b/(1+growth)` of a bucket that ends at `b` is within the error of all that lies in it. */
const growth = (1 + relativeErrorMax) / (1 - relativeErrorMax);
const logGrowth = Math.log(growth);
/** Anything below counts as this much: less than a stage can be measured by. */
const msMin = 0.05;
/** Ten minutes: longer than any request may take. What is longer counts as this much. */
const bucketMax = Math.ceil(Math.log(600_000 / msMin) / logGrowth);

/** Buckets and counts by turns: as it is stored. */
export type PackedHistogram = readonly number[];

export class LogHistogram {
  readonly #counts = new Map<number, number>();
  #count = 0;

  static unpack(packed: PackedHistogram): LogHistogram {
    const histogram = new LogHistogram();
    histogram.addPacked(packed);
    return histogram;
  }

  get count(): number {
    return this.#count;
  }

  add(ms: number): void {
    this.#raise(bucketOf(ms), 1);
  }

  addPacked(packed: PackedHistogram): void {
    for (let at = 0; at + 1 < packed.length; at += 2) this.#raise(packed[at] as number, packed[at + 1] as number);
  }

  merge(other: LogHistogram): void {
    for (const [bucket, count] of other.#counts) this.#raise(bucket, count);
  }

  /**
   * The value that a part `q` of all lies at or below; 0 of nothing. `zeros`: so many more that took no
   * time at all, such as requests that did not come to the stage.
   */
  quantile(q: number, zeros = 0): number {
    const all = this.#count + zeros;
    let left = Math.max(1, Math.ceil(q * all)) - zeros;
    if (this.#count === 0 || left <= 0) return 0;
    for (const bucket of [...this.#counts.keys()].toSorted((a, b) => a - b)) {
      left -= this.#counts.get(bucket) ?? 0;
      if (left <= 0) return valueOf(bucket);
    }
    return valueOf(bucketMax);
  }

  pack(): number[] {
    return [...this.#counts].toSorted(([a], [b]) => a - b).flat();
  }

  #raise(bucket: number, count: number): void {
    this.#counts.set(bucket, (this.#counts.get(bucket) ?? 0) + count);
    this.#count += count;
  }
}

function bucketOf(ms: number): number {
  return ms <= msMin ? 0 : Math.min(bucketMax, Math.ceil(Math.log(ms / msMin) / logGrowth));
}

function valueOf(bucket: number): number {
  return bucket === 0 ? msMin : (2 * msMin * growth ** bucket) / (1 + growth);
}
