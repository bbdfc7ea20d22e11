import { expect, test } from "vitest";
import { dateTime } from "../../src/graphql/scalars.js";

test("dates are printed as toISOString prints them, whatever was printed before", () => {
  const day = 86_400_000;
  const edges = [0, -1, 1, day - 1, day, -day, -day - 1, 8.64e15, -8.64e15, -62_198_755_200_001];
  const spread = Array.from({ length: 2_000 }, (_, at) => Math.trunc(((at * 7_919_333_333_331) % 1.2e14) - 6e13));
  for (const ms of [...edges, ...spread]) expect(dateTime.serialize(new Date(ms))).toBe(new Date(ms).toISOString());
});

test("a date that is none is an error, and leaves the next one right", () => {
  expect(() => dateTime.serialize(new Date(Number.NaN))).toThrow(RangeError);
  expect(dateTime.serialize(new Date(0))).toBe("1970-01-01T00:00:00.000Z");
});
