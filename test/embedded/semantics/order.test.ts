import { Binary, BSONRegExp, Code, Decimal128, Double, Int32, Long, MaxKey, MinKey, ObjectId, Timestamp } from "bson";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { compareValues, valuesEqual } from "../../../src/embedded/semantics/compare.js";
import { encodeKey } from "../../../src/embedded/semantics/key-encoding.js";

const text = fc.oneof(
  fc.string({ unit: "grapheme", maxLength: 6 }),
  fc.string({ unit: fc.constantFrom("\0", "\u0001", "\u0002", "a", "\uffff", "\u{1f600}"), maxLength: 4 }),
);
/** Neighbours of 2^53, 2^63 and the ends of the double and decimal ranges, where rounding merges values. */
const hardNumbers = fc.constantFrom<unknown>(
  new Double(0), new Double(-0), new Double(Number.NaN), new Double(Infinity), new Double(-Infinity), new Double(Number.MIN_VALUE),
  new Double(-Number.MIN_VALUE), new Double(Number.MAX_VALUE), new Double(-Number.MAX_VALUE), new Double(2 ** 53), new Double(2 ** 63),
  new Double(-(2 ** 63)), new Double(0.1), new Int32(1), Long.MAX_VALUE, Long.MIN_VALUE, Long.fromBigInt(2n ** 53n), Long.fromBigInt(2n ** 53n + 1n),
  Long.fromBigInt(-(2n ** 53n) - 1n), ...["0.1", "0.10", "1E6144", "-1E6144", "1E-6176", "-1E-6176", "9007199254740993", "NaN", "Infinity", "-Infinity",
    "1.000000000000000000000000000000001", "0.1000000000000000055511151231257827", "1", "-0", "1E+3", "1000"].map((digits) => Decimal128.fromString(digits)),
);
const number = fc.oneof(
  hardNumbers,
  fc.integer().map((n) => new Int32(n)),
  fc.double().map((n) => new Double(n)),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map((n) => Long.fromBigInt(n)),
  fc.tuple(fc.bigInt({ min: -(10n ** 33n), max: 10n ** 33n }), fc.integer({ min: -40, max: 40 })).map(([digits, exponent]) => Decimal128.fromString(`${digits}E${exponent}`)),
);
const scalar = fc.oneof(
  number, text, fc.boolean(), fc.constantFrom<unknown>(null, undefined, new MinKey(), new MaxKey()),
  fc.date({ noInvalidDate: true }),
  fc.uint8Array({ minLength: 12, maxLength: 12 }).map((bytes) => new ObjectId(bytes)),
  fc.tuple(fc.uint8Array({ maxLength: 5 }), fc.constantFrom(0, 4, 128)).map(([bytes, type]) => new Binary(bytes, type)),
  fc.record({ t: fc.nat(), i: fc.nat() }).map((parts) => new Timestamp(parts)),
  fc.tuple(fc.constantFrom("a", "a+", "b"), fc.constantFrom("", "i", "im")).map(([pattern, options]) => new BSONRegExp(pattern, options)),
  fc.tuple(text, fc.constantFrom(undefined, {}, { a: 1 })).map(([code, scope]) => new Code(code, scope)),
);
const { value } = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 2 },
    { arbitrary: scalar, weight: 5 },
    { arbitrary: fc.array(tie("value"), { maxLength: 3 }), weight: 1 },
    { arbitrary: fc.dictionary(fc.constantFrom("a", "b", "", "a\u0001"), tie("value"), { maxKeys: 3 }), weight: 1 },
  ),
}));

const sign = Math.sign;

describe("BSON order", () => {
  it("is antisymmetric and reflexive, whatever the types", () => {
    fc.assert(fc.property(value, value, (a, b) => {
      expect(compareValues(a, a)).toBe(0);
      expect(sign(compareValues(a, b))).toBe(-sign(compareValues(b, a)) + 0);
    }), { numRuns: 1000 });
  });

  it("is transitive, numbers of four types included", () => {
    fc.assert(fc.property(fc.tuple(number, number, number), ([a, b, c]) => {
      const [x, y, z] = [a, b, c].toSorted(compareValues) as [unknown, unknown, unknown];
      expect(compareValues(x, y)).toBeLessThanOrEqual(0);
      expect(compareValues(y, z)).toBeLessThanOrEqual(0);
      expect(compareValues(x, z)).toBeLessThanOrEqual(0);
    }), { numRuns: 1000 });
  });

  it("is the order of encoded keys, byte by byte", () => {
    fc.assert(fc.property(value, value, (a, b) => {
      expect(sign(Buffer.compare(encodeKey([a]), encodeKey([b])))).toBe(sign(compareValues(a, b)));
    }), { numRuns: 2500 });
  });

  it("is the order of encoded numbers where doubles run out", () => {
    fc.assert(fc.property(number, number, (a, b) => {
      expect(sign(Buffer.compare(encodeKey([a]), encodeKey([b])))).toBe(sign(compareValues(a, b)));
    }), { numRuns: 2500 });
  });

  it("holds for tuples with directions, without one tuple being the prefix of another", () => {
    const direction = fc.constantFrom<1 | -1>(1, -1);
    fc.assert(fc.property(fc.tuple(value, value), fc.tuple(value, value), fc.tuple(direction, direction), (a, b, directions) => {
      const first = compareValues(a[0], b[0]) * directions[0];
      const expected = first === 0 ? compareValues(a[1], b[1]) * directions[1] : first;
      const [left, right] = [encodeKey(a, directions), encodeKey(b, directions)];
      expect(sign(Buffer.compare(left, right))).toBe(sign(expected) + 0);
      if (expected !== 0) expect(left.subarray(0, right.length).equals(right)).toBe(false);
    }), { numRuns: 1500 });
  });

  /** Page: reference/bson-type-comparison-order */
  const ascending: unknown[] = [
    new MinKey(), undefined, null, new Double(Number.NaN), new Double(-Infinity), new Int32(-1), new Double(0.5), Long.fromNumber(1), Decimal128.fromString("1.5"),
    "", "a", "\uffff", "\u{1f600}", {}, { a: 1 }, { a: 1, b: 1 }, { a: 2 }, { b: 1 }, { a: "x" }, [], [1], [1, 2], [2],
    new Binary(new Uint8Array([9]), 0), new Binary(new Uint8Array([1, 1]), 0), new ObjectId("000000000000000000000001"), false, true,
    new Date(-1), new Date(0), new Timestamp({ t: 0, i: 1 }), new Timestamp({ t: 1, i: 0 }), new BSONRegExp("a", ""), new BSONRegExp("a", "i"), new MaxKey(),
  ];
  it("puts every type where MongoDB's comparison page puts it", () => {
    for (let i = 1; i < ascending.length; i++) expect([i, sign(compareValues(ascending[i - 1], ascending[i]))]).toEqual([i, -1]);
  });

  it.each([
    [new Int32(1), new Double(1), true],
    [Long.fromBigInt(2n ** 53n + 1n), new Double(2 ** 53), false],
    [Decimal128.fromString("0.1"), new Double(0.1), false],
    [Decimal128.fromString("0.5"), new Double(0.5), true],
    [Decimal128.fromString("1.0"), Decimal128.fromString("1.00"), true],
    [Decimal128.fromString("9007199254740993"), Long.fromBigInt(2n ** 53n + 1n), true],
    [new Double(-0), new Int32(0), true],
    [{ a: 1, b: 2 }, { b: 2, a: 1 }, false],
    [[1, 2], [2, 1], false],
    ["1", new Int32(1), false],
    [null, undefined, false],
    [{ _bsontype: "Int32", value: 1 }, new Int32(1), false],
  ])("compares %j with %j exactly", (a, b, equal) => {
    expect(valuesEqual(a, b)).toBe(equal);
    expect(encodeKey([a]).equals(encodeKey([b]))).toBe(equal);
  });
});
