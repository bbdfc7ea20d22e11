import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { strideBytesOf, VectorMemory, type Kernel } from "../../../src/embedded/vector/vector-memory.js";

const round = Math.fround;

/** The kernel's arithmetic in plain JavaScript: sixteen float32 lanes, added in the kernel's order. */
function plain(kernel: Kernel, query: Float32Array, vector: Float32Array): number {
  const lanes = new Float32Array(16);
  for (let i = 0; i < query.length; i += 1) {
    const [q, v] = [query[i] ?? 0, vector[i] ?? 0];
    const term = kernel === "dot" ? round(q * v) : round(round(q - v) * round(q - v));
    lanes[i % 16] = round((lanes[i % 16] ?? 0) + term);
  }
  const at = (index: number) => lanes[index] ?? 0;
  const four = [0, 1, 2, 3].map((i) => round(round(at(i) + at(i + 4)) + round(at(i + 8) + at(i + 12))));
  return round(round((four[0] ?? 0) + (four[1] ?? 0)) + round((four[2] ?? 0) + (four[3] ?? 0)));
}

function load(vectors: readonly Float32Array[], dimensions: number): { memory: VectorMemory; offset: number; stride: number } {
  const stride = strideBytesOf(dimensions);
  const memory = new VectorMemory(vectors.length * stride);
  const offset = memory.allocate(vectors.length * stride, vectors.length * stride) ?? Number.NaN;
  vectors.forEach((vector, index) => memory.write(offset + index * stride, new Uint8Array(vector.buffer)));
  return { memory, offset, stride };
}

const float = fc.float({ noNaN: true, noDefaultInfinity: true, min: -1000, max: 1000 });
const vectorsOf = (dimensions: number, most: number) =>
  fc.array(fc.array(float, { minLength: dimensions, maxLength: dimensions }).map((list) => Float32Array.from(list)), { minLength: 2, maxLength: most });

describe("the SIMD kernel", () => {
  it.each(["dot", "squaredDistance"] as const)("%s equals the plain loop to the last bit, for any dimensions", (kernel) => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 70 }).chain((dimensions) => vectorsOf(dimensions, 9)), ([query, ...vectors]) => {
        if (query === undefined) return;
        const { memory, offset, stride } = load(vectors, query.length);
        memory.setQuery(query, stride);
        const scores = memory.score(kernel, offset, vectors.length, stride);
        vectors.forEach((vector, index) => expect(scores[index]).toBe(plain(kernel, query, vector)));
      }),
      { numRuns: 60 },
    );
  });

  it("leaves no trace of a longer query in a shorter one", () => {
    const { memory, offset, stride } = load([Float32Array.of(1, 1, 1)], 3);
    memory.setQuery(Float32Array.from({ length: 16 }, () => 5), 64);
    memory.write(offset, new Uint8Array(Float32Array.from({ length: 16 }, () => 1).buffer));
    memory.setQuery(Float32Array.of(2, 2, 2), stride);
    expect(memory.score("dot", offset, 1, stride)[0]).toBe(6);
  });
});

describe("blocks of a memory", () => {
  it("never overlap and are whole again once all are free", () => {
    fc.assert(
      fc.property(fc.array(fc.record({ free: fc.boolean(), units: fc.integer({ min: 1, max: 9 }), pick: fc.nat() }), { maxLength: 60 }), (steps) => {
        const bytesMax = 64 * 1024;
        const memory = new VectorMemory(bytesMax);
        const blocks: { offset: number; bytes: number }[] = [];
        for (const step of steps) {
          if (step.free && blocks.length > 0) {
            const [block] = blocks.splice(step.pick % blocks.length, 1);
            if (block !== undefined) memory.free(block.offset, block.bytes);
            continue;
          }
          const bytes = step.units * 1024;
          const offset = memory.allocate(bytes, bytesMax);
          if (offset === undefined) continue;
          for (const other of blocks) expect(offset + bytes <= other.offset || other.offset + other.bytes <= offset).toBe(true);
          blocks.push({ offset, bytes });
        }
        for (const block of blocks) memory.free(block.offset, block.bytes);
        expect(memory.isEmpty).toBe(true);
        expect(memory.allocate(bytesMax, bytesMax)).toBeDefined();
      }),
    );
  });
});
