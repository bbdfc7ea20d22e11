import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isWellFormedId, newId, parseTenantId, parseUserId } from "../../src/kernel/ids.js";

describe("tenant ids", () => {
  test.each(["", "ab", "A-b", "Acme", "acme ", " acme", "acme_", "-acme", "acme-", "a".repeat(27), "ac me", "acmé", "аcme", "acme\u0000", "acme.b", "acme$", "../acme", "__proto__", "acme\n", null, undefined, 0, false, {}, [], ["acme"], { $ne: "" }])(
    "a hostile or falsy id is refused: %j",
    (value) => {
      expect(() => parseTenantId(value)).toThrowError(expect.objectContaining({ code: "BAD_USER_INPUT" }));
    },
  );

  test("what is accepted is its own lower-case ASCII form, so no two tenants share a database, a key or a label", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme", maxLength: 30 }), (text) => {
        try {
          const id = parseTenantId(text);
          expect(id).toBe(text);
          expect(id.toLowerCase().normalize("NFKC")).toBe(text);
          expect(Buffer.byteLength(id)).toBeLessThanOrEqual(26);
        } catch (error) {
          expect(error).toMatchObject({ code: "BAD_USER_INPUT" });
        }
      }),
    );
    expect(parseTenantId("acme-2")).toBe("acme-2");
  });
});

test("a user id with a control character is refused, so that no token can name the user of background jobs", () => {
  expect(() => parseUserId("\u0000job")).toThrow();
  expect(parseUserId("anna@example.com")).toBe("anna@example.com");
});

test("ids are recognised by their kind alone and foreign shapes are not", () => {
  const id = newId("document");
  expect(isWellFormedId("document", id)).toBe(true);
  expect(isWellFormedId("conversation", id)).toBe(false);
  for (const value of [`${id} `, id.slice(0, -1), `${id}x`, { $ne: id }, [id], null, "doc_"]) expect(isWellFormedId("document", value)).toBe(false);
});
