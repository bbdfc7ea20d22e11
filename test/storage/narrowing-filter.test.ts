import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseDocumentFilter, parseSearchFilter } from "../../src/storage/narrowing-filter.js";
import { newId } from "../../src/kernel/ids.js";

const parsers = [parseSearchFilter, parseDocumentFilter] as const;
const refused = expect.objectContaining({ code: "BAD_USER_INPUT" }) as Error;

describe("a caller's filter", () => {
  it.each([
    [{ tenant_id: "other" }],
    [{ tenantId: "other" }],
    [{ $or: [{}] }],
    [{ $where: "1" }],
    [{ "tags.0": "x" }],
    [JSON.parse('{"__proto__":{"tags":["x"]}}')],
    [{ constructor: {} }],
    [{ [Symbol("tags")]: ["x"] }],
    [{ tags: { $ne: "" } }],
    [{ tags: [{ $ne: "" }] }],
    [{ tags: [["x"]] }],
    [{ tags: "x" }],
    [{ tags: [1] }],
    [{ tags: [""] }],
    [{ tags: ["x".repeat(257)] }],
    [{ tags: Array.from({ length: 101 }, () => "x") }],
    [{ mediaTypes: ["$ne"] }],
    [[]],
    ["tags"],
    [7],
  ])("is refused when it could do anything but narrow: %j", (filter) => {
    for (const parse of parsers) expect(() => parse(filter)).toThrow(refused);
  });

  it("is refused with a null character in a title's part, which MongoDB would call a fault of ours", () => {
    expect(() => parseDocumentFilter({ titleContains: "a\0b" })).toThrow(refused);
  });

  it("comes out with the fields that are known and plain texts alone, or not at all", () => {
    const allowed = new Set(["documentIds", "mediaTypes", "tags", "states", "titleContains"]);
    fc.assert(
      fc.property(fc.anything({ withNullPrototype: true, withObjectString: true }), (input) => {
        for (const parse of parsers) {
          try {
            for (const [key, value] of Object.entries(parse(input))) {
              expect(allowed.has(key)).toBe(true);
              for (const item of Array.isArray(value) ? (value as unknown[]) : [value]) expect(typeof item).toBe("string");
            }
          } catch (error) {
            expect(error).toMatchObject({ code: "BAD_USER_INPUT" });
          }
        }
      }),
      { numRuns: 500 },
    );
  });

  it("keeps what is well formed", () => {
    const id = newId("document");
    expect(parseSearchFilter({ documentIds: [id, "foreign shape"], tags: ["$ne", "a.b"], mediaTypes: ["text/html"] })).toEqual({ documentIds: [id], tags: ["$ne", "a.b"], mediaTypes: ["text/html"] });
    expect(parseDocumentFilter({ states: ["READY"], titleContains: "x" })).toEqual({ states: ["READY"], titleContains: "x" });
    for (const parse of parsers) for (const empty of [undefined, null, {}, { tags: null }]) expect(parse(empty)).toEqual({});
  });
});
