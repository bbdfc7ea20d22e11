import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { PartitionCache } from "../../../src/embedded/vector/partition-cache.js";
import type { ResidentPartition, VectorShape } from "../../../src/embedded/vector/resident-partition.js";
import { TopResults } from "../../../src/embedded/vector/top-results.js";

const shape: VectorShape = { dimensions: 16, similarity: "dotProduct" };
const slotOf = (id: number) => ({ docKey: Buffer.from(`doc-${id}`), filterBson: Buffer.from([5, 0, 0, 0, 0]), inSeveralPartitions: false });
const vectorOf = (id: number) => Buffer.from(Float32Array.from({ length: 16 }, () => id).buffer);

function load(cache: PartitionCache, key: string, count: number): boolean {
  const resident = cache.reserve(shape, count, 1);
  if (resident === undefined) return false;
  for (let id = 0; id < count; id += 1) resident.append({ slots: [slotOf(id)], vectors: vectorOf(id) });
  return cache.insert(key, resident);
}

describe("the cache of resident partitions", () => {
  it("charges exactly what its partitions hold and never more than its budget, with several memories", () => {
    const budget = 64 * 1024;
    const step = fc.record({ kind: fc.constantFrom("load", "use", "add", "remove", "drop"), key: fc.integer({ min: 0, max: 7 }), count: fc.integer({ min: 1, max: 60 }) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const cache = new PartitionCache(budget, 16 * 1024);
        for (const { kind, key: number, count } of steps) {
          const key = `1:${number}`;
          if (kind === "load") load(cache, key, count);
          else if (kind === "use") cache.use(key);
          else if (kind === "drop") cache.drop(key);
          else if (kind === "add") cache.update(key, shape, (resident) => resident.upsert(slotOf(1000 + count), vectorOf(count)));
          else cache.update(key, shape, (resident) => (resident.remove(Buffer.from(`doc-${count}`)), true));
          const held = Array.from({ length: 8 }, (_, id) => `1:${id}`).filter((other) => cache.has(other));
          let sum = 0;
          for (const other of held) cache.update(other, shape, (resident) => ((sum += resident.bytes), true));
          expect(cache.residentBytes).toBe(sum);
          expect(cache.residentBytes).toBeLessThanOrEqual(budget);
          expect(cache.residentCount).toBe(held.length);
        }
        cache.closeSpace("1:");
        expect(cache.residentBytes).toBe(0);
      }),
    );
  });

  it("evicts the least recently searched, and a writer does not count as searching", () => {
    const cache = new PartitionCache(40 * 1024);
    expect([load(cache, "1:a", 30), load(cache, "1:b", 30), load(cache, "1:c", 30)]).toEqual([true, true, true]);
    cache.use("1:a");
    cache.update("1:b", shape, (resident) => resident.upsert(slotOf(0), vectorOf(9)));
    load(cache, "1:d", 30);
    expect(["1:a", "1:b", "1:c", "1:d"].filter((key) => cache.has(key))).toEqual(["1:a", "1:c", "1:d"]);
  });

  it("refuses what alone exceeds the budget, without evicting for it", () => {
    const cache = new PartitionCache(8 * 1024);
    expect(load(cache, "1:small", 4)).toBe(true);
    expect(cache.reserve(shape, 1000, 1)).toBeUndefined();
    expect(cache.has("1:small")).toBe(true);
  });

  it.each([3, 16])("no bytes of a partition that was there before reach the scores of one of %i dimensions", (dimensions) => {
    const cache = new PartitionCache(64 * 1024);
    expect(load(cache, "1:before", 60)).toBe(true);
    cache.drop("1:before");
    const near: VectorShape = { dimensions, similarity: "euclidean" };
    const resident = cache.reserve(near, 1, 1);
    const vector = Float32Array.from({ length: dimensions }, () => 1);
    resident?.append({ slots: [slotOf(1)], vectors: Buffer.from(vector.buffer) });
    expect(scoresOf(resident, vector)).toEqual([1]);
    // A move to a larger block meets old bytes again.
    const key = "1:grown";
    cache.insert(key, resident as ResidentPartition);
    for (let id = 2; id < 40; id += 1) cache.update(key, near, (grown) => grown.upsert(slotOf(id), Buffer.from(vector.buffer)));
    expect(scoresOf(cache.use(key), vector)).toEqual(Array.from({ length: 39 }, () => 1));
  });
});

function scoresOf(resident: ResidentPartition | undefined, vector: Float32Array): readonly number[] {
  const top = new TopResults(100);
  resident?.search({ vector, matches: undefined }, top);
  return top.sorted().map(({ score }) => score);
}
