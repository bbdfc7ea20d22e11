import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { checkPageRequest, decodeCursor, encodeCursor, pageOf } from "../../src/storage/page-cursor.js";

const position = fc.record({ order: fc.integer({ min: 0, max: 10 ** 15 - 1 }), id: fc.stringMatching(/^[A-Za-z0-9_-]{1,64}$/) });

describe("a cursor", () => {
  it("gives back the place that it was made of", () => {
    fc.assert(fc.property(position, (place) => void expect(decodeCursor(encodeCursor(place))).toEqual(place)));
  });

  it("is refused when it is anything but one that this server made", () => {
    const valid = encodeCursor({ order: 5, id: "doc_x" });
    for (const cursor of ["", "garbage", `${valid}=`, ` ${valid}`, `${valid}A`, Buffer.from("5~").toString("base64url"), Buffer.from("-5~x").toString("base64url"), Buffer.from("5~a/b").toString("base64url"), "A".repeat(100_000)]) {
      expect(() => decodeCursor(cursor)).toThrow(expect.objectContaining({ code: "BAD_USER_INPUT" }) as Error);
    }
    fc.assert(
      fc.property(fc.string(), (cursor) => {
        try {
          expect(encodeCursor(decodeCursor(cursor))).toBe(cursor);
        } catch (error) {
          expect(error).toMatchObject({ code: "BAD_USER_INPUT" });
        }
      }),
    );
  });

  it.each([-1, 101, 1.5, Number.NaN, Number.POSITIVE_INFINITY])("is not reached with a page of %d", (first) => {
    expect(() => checkPageRequest({ first })).toThrow(expect.objectContaining({ code: "BAD_USER_INPUT" }) as Error);
  });
});

function build(rows: readonly number[], first: number) {
  return pageOf(rows, first, String, (row) => ({ order: row, id: "x" }));
}

describe("a page", () => {
  it("knows of a next one only from the row too many", () => {
    expect(build([1, 2, 3], 2)).toMatchObject({ hasNextPage: true, items: [{ item: "1" }, { item: "2" }] });
    expect(build([1, 2], 2).hasNextPage).toBe(false);
    expect(build([1], 0)).toEqual({ items: [], hasNextPage: true });
  });
});
