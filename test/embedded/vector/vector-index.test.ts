import { Binary, Double, Int32 } from "bson";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Doc } from "../../../src/embedded/semantics/bson-codec.js";
import { parseVectorIndexDefinition, type Similarity } from "../../../src/embedded/vector/index-definition.js";
import { PartitionCache } from "../../../src/embedded/vector/partition-cache.js";
import { parseVectorSearchStage } from "../../../src/embedded/vector/search-stage.js";
import { VectorIndex, type AppliedChange } from "../../../src/embedded/vector/vector-index.js";
import { MemoryKv } from "./memory-kv.js";

const MEGABYTE = 1 << 20;
const key = (id: number | string) => Buffer.from(String(id));

function definitionOf(similarity: Similarity, numDimensions = 3, filters = ["tenant", "kind"]) {
  return parseVectorIndexDefinition("v", {
    fields: [
      { type: "vector", path: "v", numDimensions: new Int32(numDimensions), similarity, indexingMethod: "flat" },
      ...filters.map((path) => ({ type: "filter", path })),
    ],
  });
}

class Bench {
  readonly kv = new MemoryKv();
  readonly docs = new Map<string, Doc>();
  readonly index: VectorIndex;

  constructor(readonly definition: ReturnType<typeof definitionOf>, readonly cache = new PartitionCache(MEGABYTE)) {
    this.index = new VectorIndex(definition, 7, this.kv, cache);
  }

  /** Writes as a transaction would, without telling the index that it was committed. */
  write(id: number | string, after: Doc | undefined): AppliedChange[] {
    const before = this.docs.get(String(id));
    const changes = this.index.apply(this.kv, { docKey: key(id), ...(before && { before }), ...(after && { after }) });
    if (after === undefined) this.docs.delete(String(id));
    else this.docs.set(String(id), after);
    return changes;
  }

  put(id: number | string, after: Doc | undefined): void {
    this.index.committed(this.write(id, after));
  }

  search(queryVector: number[], filter?: Doc, limit = 10) {
    const stage: Doc = { index: "v", path: "v", queryVector, exact: true, limit: new Int32(limit), ...(filter && { filter }) };
    return this.index.search(parseVectorSearchStage(stage, this.definition)).map(({ docKey, score }) => ({ id: docKey.toString(), score }));
  }

  ids(queryVector: number[], filter?: Doc, limit = 10): string[] {
    return this.search(queryVector, filter, limit).map(({ id }) => id);
  }
}

function bruteForce(similarity: Similarity, a: readonly number[], b: readonly number[]): number {
  const sum = (term: (x: number, y: number) => number) => a.reduce((total, x, i) => total + term(x, b[i] ?? 0), 0);
  const dot = sum((x, y) => x * y);
  if (similarity === "euclidean") return 1 / (1 + sum((x, y) => (x - y) ** 2));
  if (similarity === "dotProduct") return (1 + dot) / 2;
  return (1 + dot / (Math.hypot(...a) * Math.hypot(...b))) / 2;
}

const tenant = fc.constantFrom("a", "b", "c");
const coordinate = fc.integer({ min: -20, max: 20 }).map((value) => value / 4);
const vector = fc.array(coordinate, { minLength: 3, maxLength: 3 }).filter((list) => list.some((value) => value !== 0));
const step = fc.record({
  id: fc.integer({ min: 0, max: 40 }),
  doc: fc.option(fc.record({ tenant: fc.oneof(tenant, fc.uniqueArray(tenant, { minLength: 1 })), kind: fc.integer({ min: 0, max: 2 }), v: vector })),
});

const holds = (value: unknown, wanted: string) => value === wanted || (Array.isArray(value) && value.includes(wanted));

describe("search equals brute force", () => {
  it.each(["cosine", "dotProduct", "euclidean"] as const)("under %s, after any inserts, updates and deletes, from memory and from rows", (similarity) => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), vector, tenant, fc.constantFrom(0, 4096, MEGABYTE), (steps, query, wanted, budget) => {
        const bench = new Bench(definitionOf(similarity), new PartitionCache(budget));
        steps.forEach(({ id, doc }, index) => {
          bench.put(id, doc ?? undefined);
          if (index % 10 === 0) bench.search(query);
        });
        for (const filter of [undefined, { tenant: wanted }, { $and: [{ tenant: { $eq: wanted } }, { kind: { $gte: 1 } }] }, { tenant: { $in: ["a", wanted] } }]) {
          const wantedTenants = filter === undefined ? ["a", "b", "c"] : "$and" in filter || typeof filter.tenant === "string" ? [wanted] : ["a", wanted];
          const expected = [...bench.docs]
            .filter(([, doc]) => wantedTenants.some((name) => holds(doc["tenant"], name)))
            .filter(([, doc]) => filter === undefined || !("$and" in filter) || (doc["kind"] as number) >= 1)
            .map(([id, doc]) => ({ id, score: bruteForce(similarity, query, doc["v"] as number[]) }));
          const found = bench.search(query, filter, 1000);
          expect(found.map(({ id }) => id).toSorted()).toEqual(expected.map(({ id }) => id).toSorted());
          const scores = new Map(expected.map(({ id, score }) => [id, score]));
          for (const { id, score } of found) expect(score).toBeCloseTo(scores.get(id) ?? Number.NaN, 5);
          found.slice(1).forEach((hit, index) => {
            const previous = found[index];
            expect(previous !== undefined && (previous.score > hit.score || (previous.score === hit.score && previous.id < hit.id))).toBe(true);
          });
          expect(bench.search(query, filter, 5)).toEqual(found.slice(0, 5));
        }
      }),
      { numRuns: 60 },
    );
  });

  it("holds across folds of thousands of changes", () => {
    const bench = new Bench(definitionOf("euclidean"), new PartitionCache(0));
    for (let id = 0; id < 1500; id += 1) bench.put(id, { tenant: "a", v: [id, 1, 0] });
    for (let id = 0; id < 1500; id += 3) bench.put(id, undefined);
    for (let id = 1; id < 1500; id += 3) bench.put(id, { tenant: "a", v: [-id, 2, 0] });
    expect(bench.index.documentCount()).toBe(1000);
    expect(bench.search([0, 0, 0], { tenant: "a" }, 2000)).toHaveLength(1000);
    expect(bench.ids([602, 1, 0], { tenant: "a" }, 1)).toEqual(["602"]);
    expect(bench.ids([-601, 2, 0], { tenant: "a" }, 1)).toEqual(["601"]);
    for (const id of bench.docs.keys()) bench.put(id, undefined);
    // The version counter stays: a partition that comes back must not repeat a version.
    expect(bench.kv.size).toBe(1);
  });
});

describe("what is indexed", () => {
  it("takes arrays of int and double and float32 binary vectors, and nothing else", () => {
    const bench = new Bench(definitionOf("cosine"));
    bench.put("array", { tenant: "a", v: [new Int32(1), new Double(0), 0] });
    bench.put("binary", { tenant: "a", v: Binary.fromFloat32Array(Float32Array.of(2, 0, 0)) });
    bench.put("int8", { tenant: "a", v: Binary.fromInt8Array(Int8Array.of(1, 0, 0)) });
    bench.put("short", { tenant: "a", v: [1, 0] });
    bench.put("text", { tenant: "a", v: [1, 0, "0"] });
    bench.put("nan", { tenant: "a", v: [1, Number.NaN, 0] });
    bench.put("infinite", { tenant: "a", v: [1e300, 0, 0] });
    bench.put("zero", { tenant: "a", v: [0, 0, 0] });
    bench.put("none", { tenant: "a" });
    expect(bench.search([1, 0, 0], { tenant: "a" })).toEqual([{ id: "array", score: 1 }, { id: "binary", score: 1 }]);
  });

  it("indexes a zero vector under euclidean, and follows a document that becomes invalid", () => {
    const bench = new Bench(definitionOf("euclidean"));
    bench.put(1, { tenant: "a", v: [0, 0, 0] });
    expect(bench.search([1, 0, 0], { tenant: "a" })).toEqual([{ id: "1", score: 0.5 }]);
    bench.put(1, { tenant: "a", v: "gone" });
    expect(bench.search([1, 0, 0], { tenant: "a" })).toEqual([]);
  });

  it("moves a document between partitions, and writes nothing when neither vector nor filter fields change", () => {
    const bench = new Bench(definitionOf("cosine"));
    bench.put(1, { tenant: "a", v: [1, 0, 0] });
    bench.put(1, { tenant: "b", v: [1, 0, 0] });
    expect(bench.ids([1, 0, 0], { tenant: "a" })).toEqual([]);
    expect(bench.ids([1, 0, 0], { tenant: "b" })).toEqual(["1"]);
    expect(bench.write(1, { tenant: "b", v: [1, 0, 0], text: "changed" })).toEqual([]);
  });

  it("keeps numbers of one value in one partition, whatever their type, and finds missing as null", () => {
    const bench = new Bench(definitionOf("cosine"));
    bench.put("int", { tenant: new Int32(1), v: [1, 0, 0] });
    bench.put("double", { tenant: new Double(1), v: [1, 0, 0] });
    bench.put("missing", { v: [1, 0, 0] });
    expect(bench.ids([1, 0, 0], { tenant: new Int32(1) })).toEqual(["double", "int"]);
    expect(bench.ids([1, 0, 0], { tenant: null })).toEqual(["missing"]);
  });
});

describe("partitions", () => {
  it("a search of one tenant reads no key of another, from rows and from memory", () => {
    const names = ["a", "ab", "b", "a\u0000b", "x".repeat(5000)];
    const bench = new Bench(definitionOf("cosine"));
    for (const name of names) for (let id = 0; id < 300; id += 1) bench.put(`${name.slice(0, 3)}${name.length}-${id}`, { tenant: name, v: [1, id, 1] });
    bench.cache.closeSpace("1:");
    for (const name of names) {
      for (const state of ["cold", "resident"]) {
        bench.kv.forgetReads();
        expect(bench.search([1, 0, 1], { tenant: name }, 400), state).toHaveLength(300);
        const own = readsOf(bench.kv);
        bench.kv.forgetReads();
        for (const other of names.filter((candidate) => candidate !== name)) bench.search([1, 0, 1], { tenant: other }, 1);
        const foreign = new Set(readsOf(bench.kv));
        expect(own.filter((read) => foreign.has(read))).toEqual([]);
        expect(bench.kv.ranges.every(({ start }) => own.every((read) => !read.startsWith(start.toString("hex"))))).toBe(true);
      }
    }
  });

  it("a resident partition is answered with one read of its version", () => {
    const bench = new Bench(definitionOf("cosine"));
    bench.put(1, { tenant: "a", v: [1, 0, 0] });
    bench.search([1, 0, 0], { tenant: "a" });
    bench.kv.forgetReads();
    bench.search([1, 0, 0], { tenant: "a" });
    expect({ gets: bench.kv.gets.length, ranges: bench.kv.ranges.length }).toEqual({ gets: 1, ranges: 0 });
  });
});

function readsOf(kv: MemoryKv): string[] {
  return [...kv.gets.map((read) => read.toString("hex")), ...kv.ranges.map(({ start }) => start.toString("hex"))];
}

describe("commits and resident partitions", () => {
  it("never answer with a stale or mixed state, however commits, loads and reports interleave", () => {
    const act = fc.record({
      id: fc.integer({ min: 0, max: 6 }),
      doc: fc.option(fc.record({ tenant: fc.constantFrom("a", "b"), v: vector })),
      // How many later searches pass before the commit is reported; reports of later commits may overtake it.
      reportAfter: fc.integer({ min: 0, max: 3 }),
      // At which read of the next search this commit lands.
      landsAtRead: fc.integer({ min: 0, max: 6 }),
    });
    fc.assert(
      fc.property(fc.array(act, { maxLength: 60 }), (acts) => {
        const bench = new Bench(definitionOf("euclidean"));
        const reports: { due: number; changes: AppliedChange[] }[] = [];
        acts.forEach(({ id, doc, reportAfter, landsAtRead }, turn) => {
          const land = () => reports.push({ due: turn + reportAfter, changes: bench.write(id, doc ?? undefined) });
          if (landsAtRead === 0) land();
          const before = idsOf(bench, "a");
          let reads = 0;
          bench.kv.beforeRead = () => {
            reads += 1;
            if (reads !== landsAtRead) return;
            bench.kv.beforeRead = undefined;
            land();
          };
          const found = bench.ids([0, 0, 0], { tenant: "a" }).toSorted();
          bench.kv.beforeRead = undefined;
          expect([before, idsOf(bench, "a")]).toContainEqual(found);
          for (const report of reports.filter(({ due }) => due <= turn)) {
            reports.splice(reports.indexOf(report), 1);
            bench.index.committed(report.changes);
          }
          expectCurrent(bench);
        });
        reports.toReversed().forEach(({ changes }) => bench.index.committed(changes));
        expectCurrent(bench);
      }),
      { numRuns: 300 },
    );
  });

  it("a partition deleted and made again is not taken for its former self", () => {
    const bench = new Bench(definitionOf("euclidean"));
    bench.put(1, { tenant: "a", v: [1, 0, 0] });
    bench.search([0, 0, 0], { tenant: "a" });
    bench.write(1, undefined);
    bench.write(2, { tenant: "a", v: [2, 0, 0] });
    expect(bench.ids([0, 0, 0], { tenant: "a" })).toEqual(["2"]);
  });

  it("an index dropped from the store leaves neither rows nor memory", () => {
    const bench = new Bench(definitionOf("cosine"));
    bench.put(1, { tenant: "a", v: [1, 0, 0] });
    bench.search([1, 0, 0], { tenant: "a" });
    bench.index.clear(bench.kv);
    bench.index.close();
    expect({ rows: bench.kv.size, bytes: bench.cache.residentBytes, partitions: bench.cache.residentCount }).toEqual({ rows: 0, bytes: 0, partitions: 0 });
  });
});

function idsOf(bench: Bench, name: string): string[] {
  return [...bench.docs].filter(([, doc]) => doc["tenant"] === name).map(([id]) => id).toSorted();
}

function expectCurrent(bench: Bench): void {
  for (const name of ["a", "b"]) {
    const found = bench.search([0, 0, 0], { tenant: name });
    expect(found.map(({ id }) => id).toSorted()).toEqual(idsOf(bench, name));
    for (const { id, score } of found) expect(score).toBeCloseTo(bruteForce("euclidean", [0, 0, 0], bench.docs.get(id)?.["v"] as number[]), 5);
  }
}
