import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LogHistogram, relativeErrorMax } from "../../src/insights/log-histogram.js";

const times = fc.array(fc.double({ min: 0.05, max: 590_000, noNaN: true }), { minLength: 1, maxLength: 200 });
const histogramOf = (values: readonly number[]): LogHistogram => {
  const histogram = new LogHistogram();
  for (const value of values) histogram.add(value);
  return histogram;
};

describe("a histogram of times", () => {
  it("gives every quantile within its error", () => {
    fc.assert(
      fc.property(times, fc.double({ min: 0.01, max: 1, noNaN: true }), (values, q) => {
        const exact = values.toSorted((a, b) => a - b)[Math.ceil(q * values.length) - 1] as number;
        const found = histogramOf(values).quantile(q);
        expect(Math.abs(found - exact)).toBeLessThanOrEqual(relativeErrorMax * exact * 1.0001);
      }),
    );
  });

  it("is the same merged from parts in any order, and packed and read again, as made at once", () => {
    fc.assert(
      fc.property(times, times, times, (a, b, c) => {
        const whole = histogramOf([...a, ...b, ...c]);
        const merged = histogramOf(c);
        merged.merge(histogramOf(a));
        merged.addPacked(histogramOf(b).pack());
        expect(merged.pack()).toEqual(whole.pack());
        expect(merged.count).toBe(a.length + b.length + c.length);
      }),
    );
  });

  it("counts those that took no time at all", () => {
    const histogram = histogramOf([100, 100]);
    expect(histogram.quantile(0.5, 98)).toBe(0);
    expect(histogram.quantile(0.98, 98)).toBe(0);
    expect(histogram.quantile(0.99, 98)).toBeGreaterThan(94);
    expect(new LogHistogram().quantile(0.95)).toBe(0);
  });

  it("has a bounded number of buckets, and takes what is shorter or longer as their ends", () => {
    const histogram = histogramOf([0, -1, 1e12, ...Array.from({ length: 2_000 }, (_, at) => 1.02 ** at)]);
    expect(histogram.pack().length / 2).toBeLessThan(200);
    expect(histogram.quantile(0.0001)).toBeLessThanOrEqual(0.05);
    expect(histogram.quantile(1)).toBeGreaterThan(500_000);
  });
});
