import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Redactor, type SensitiveActions } from "../../src/safety/redactor.js";
import { findSensitive } from "../../src/safety/sensitive-text.js";
import { cut, cuts } from "./cuts.js";

const redactAll: SensitiveActions = { SECRET: "REDACT", PERSONAL: "REDACT", FOREIGN_TENANT: "REDACT" };

function redact(parts: readonly string[], actions = redactAll): string {
  const redactor = new Redactor(actions, "acme", () => undefined);
  return parts.map((part) => redactor.push(part)).join("") + redactor.flush();
}

// Made of parts, so that no scanner of repositories takes a test's text for a leaked key.
const digits = (count: number) => "4f7A".repeat(count).slice(0, count);
const privateKey = `-----BEGIN RSA PRIVATE KEY-----\nMIIE ${digits(40)}\n${digits(60)}==\n-----END RSA PRIVATE KEY-----`;
const sensitive: readonly (readonly [string, string])[] = [
  ["private key", privateKey],
  ["private key", `-----BEGIN PRIVATE KEY-----\n${digits(64)}\n-----END PRIVATE KEY-----`],
  ["api key", `AKIA${"ABCD2345".repeat(2)}`],
  ["api key", `ghp_${digits(36)}`],
  ["api key", `sk-${digits(40)}`],
  ["api key", `sk_live_${digits(24)}`],
  ["api key", `xoxb-${"123456789012-"}${digits(20)}`],
  ["token", `eyJ${digits(20)}.eyJ${digits(30)}.${digits(43)}`],
  ["connection string", "mongodb+srv://ada:pa55w0rd@db.example.net/main?w=1"],
  ["connection string", "postgres://app:s3cret@10.0.0.5:5432/orders"],
  ["secret", "password: Tr0ub4dor&3"],
  ["secret", 'api_key = "9f8e7d6c5b4a"'],
  ["email", "ada.lovelace+test@mail.example.co.uk"],
  ["account number", "DE89 3704 0044 0532 0130 00"],
  ["account number", "GB29NWBK60161331926819"],
  ["card number", "4111 1111 1111 1111"],
  ["card number", "5500-0000-0000-0004"],
  ["social security number", "123-45-6789"],
  ["phone number", "+49 151 23456789"],
  ["phone number", "(030) 1234-5678"],
  ["phone number", "555-123-4567"],
  ["tenant", "tenant_id: globex"],
];

const harmless: readonly string[] = [
  "Revision 2024-05-12 of DIN EN 10204, order 4711-0815, 1,250.00 EUR on 12.05.2024 at 14:30:00.",
  "The password: required at every login. Token: see below. Set secret = true.",
  "Card 4111 1111 1111 1112 fails its check digit, and DE89 3704 0044 0532 0130 01 its own.",
  "See https://docs.example.com/a/b?c=d#e and http://localhost:4000/graphql, version 1.2.3.4.",
  "Rows 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 and part M8x40-A2-70; tenant_id: acme.",
  "-----BEGIN CERTIFICATE----- is public. A --- line and a -- too.",
];

describe("is found and taken out", () => {
  it.each(sensitive)("%s: %s", (name, text) => {
    expect(redact([`Here: ${text} as asked.`])).toBe(`Here: [${name}] as asked.`);
  });
});

describe("stays as it is", () => {
  it.each(harmless)("%s", (text) => {
    expect(redact([text])).toBe(text);
  });
});

const words = fc.constantFrom("leave", "Miller GmbH", "12", "030", "A", "9", "-----", "\n", "k: ", "=", "+49", "tenant", "is", "\u{1f600}", "é", "x".repeat(30));
const pieces = fc.array(fc.oneof({ weight: 3, arbitrary: words }, { weight: 1, arbitrary: fc.constantFrom(...sensitive.map(([, text]) => text)) }), { maxLength: 14 });
const texts = fc.tuple(pieces, fc.constantFrom(" ", "  ", "", "\n")).map(([parts, glue]) => parts.join(glue));

describe("redaction in a stream", () => {
  it("gives the same text however the stream is cut", () => {
    fc.assert(fc.property(texts, cuts, (text, sizes) => {
      expect(redact(cut(text, sizes))).toBe(redact([text]));
    }), { numRuns: 2_000 });
  });

  it("lets nothing sensitive out, wherever it stands between words", () => {
    fc.assert(fc.property(fc.array(fc.constantFrom("leave", "of", "Miller", "the,", "note."), { maxLength: 6 }), fc.constantFrom(...sensitive), fc.array(fc.constantFrom("and", "so.", "then"), { maxLength: 4 }), cuts, (before, [name, text], after, sizes) => {
      expect(redact(cut([...before, text, ...after].join(" "), sizes))).toBe([...before, `[${name}]`, ...after].join(" "));
    }), { numRuns: 1_000 });
  });

  it("holds back no more than the word under way, and a private key not at all", () => {
    const redactor = new Redactor(redactAll, "acme", () => undefined);
    expect(redactor.push("The notice period is six we")).toBe("The notice period is six ");
    expect(redactor.push("eks. -----BEGIN PRIVATE")).toBe("weeks. ");
    expect(redactor.push(` KEY-----${digits(10_000)}`)).toBe("[private key]");
    expect(redactor.push("\n-----END PRIVATE KEY----- Done. ")).toBe(" ");
    expect(redactor.flush()).toBe("Done. ");
  });

  it("swallows a secret that is longer than what is held back, to its end", () => {
    const token = `eyJ${digits(20)}.eyJ${digits(9_000)}.${digits(43)}`;
    for (const size of [1, 7, 4_095, 4_096, 20_000]) expect(redact(cut(`Use ${token} now.`, [size]))).toBe("Use [token] now.");
  });

  it("finds an address behind thousands of letters without a space", () => {
    for (const size of [1, 4_000, 9_999]) expect(redact(cut(`${"x,".repeat(5_000)}ada@example.com.`, [size]))).toBe(`${"x,".repeat(5_000)}[email].`);
  });

  it("stops at what is to be blocked, and lets nothing out after it", () => {
    const redactor = new Redactor({ ...redactAll, PERSONAL: "BLOCK" }, "acme", () => undefined);
    expect(redactor.push("Write to ada@exam")).toBe("Write to ");
    expect(redactor.push("ple.com, or call.")).toBe("");
    expect(redactor.blocked).toBe("email");
    expect(redactor.push("more ") + redactor.flush()).toBe("");
  });

  it("leaves and tells what is only flagged", () => {
    const told: string[] = [];
    const redactor = new Redactor({ SECRET: "REDACT", PERSONAL: "FLAG", FOREIGN_TENANT: "ALLOW" }, "acme", ({ name }) => told.push(name));
    const text = "Mail ada@example.com about tenant_id: globex.";
    expect(redactor.push(text) + redactor.flush()).toBe(text);
    expect(told).toEqual(["email"]);
  });

  it("does not take long on hostile texts", () => {
    const before = process.cpuUsage();
    for (const part of ["-", "-----BEGIN ", "1 ", "a@", "eyJ", "a:", "+1 ", "password:", "A1 ", "x", "("]) {
      const text = part.repeat(16_000 / part.length);
      redact(cut(text, [7]));
      findSensitive(text, "acme");
    }
    expect(process.cpuUsage(before).user / 1_000).toBeLessThan(4_000);
  });
});
