import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isRefusal, type Refusal } from "../../src/kernel/refusal.js";
import { AnswerGuard } from "../../src/safety/answer-guard.js";
import { newCanary } from "../../src/safety/canary.js";
import { cut, cuts } from "./cuts.js";

const allowed = { SECRET: "ALLOW", PERSONAL: "ALLOW", FOREIGN_TENANT: "ALLOW" } as const;
const guardOf = (canary: string, onIncident: (incident: unknown) => void = () => undefined) => new AnswerGuard(canary, allowed, "acme", onIncident);

function passThrough(guard: AnswerGuard, parts: readonly string[]): string | Refusal {
  let text = "";
  for (const part of parts) {
    const released = guard.push(part);
    if (isRefusal(released)) return released;
    text += released;
  }
  const rest = guard.flush();
  return isRefusal(rest) ? rest : text + rest;
}

describe("the output guard", () => {
  it("lets every answer without the canary through unchanged, however it is cut", () => {
    const alphabet = fc.constantFrom("k", "0", "a", "f", " ", "K", "é", "7", ".");
    fc.assert(
      fc.property(fc.string({ unit: alphabet, maxLength: 80 }), cuts, (text, sizes) => {
        fc.pre(!text.toLowerCase().replaceAll(/[^a-z0-9]/gu, "").includes("k0a"));
        expect(passThrough(guardOf("k0a"), cut(text, sizes))).toBe(text);
      }),
      { numRuns: 500 },
    );
  });

  it("stops every answer with the canary before its last letter is out, however it is cut", () => {
    fc.assert(fc.property(fc.string(), fc.string(), cuts, fc.boolean(), (before, after, sizes, isForeign) => {
      const canary = newCanary();
      const guard = guardOf(isForeign ? newCanary() : canary);
      let out = "";
      let stopped = false;
      for (const part of cut(`${before}${canary}${after}`, sizes)) {
        const released = guard.push(part);
        stopped = isRefusal(released);
        if (stopped) break;
        out += String(released);
      }
      expect(stopped).toBe(true);
      expect(out).not.toContain(canary.slice(0, 8));
    }));
  });

  it.each([
    ["spaced out", (canary: string) => canary.split("").join(" ")],
    ["in capitals", (canary: string) => canary.toUpperCase()],
    ["with hyphens and zero-width marks", (canary: string) => canary.split("").join("-\u200b")],
  ])("finds the canary %s", (_how, disguise) => {
    const canary = newCanary();
    expect(passThrough(guardOf(canary), ["The reference is ", disguise(canary)])).toMatchObject({ code: "GUARDRAIL_BLOCKED" });
  });

  it("tells the canary of another call from its own, and neither from a word of the same shape", () => {
    const told: unknown[] = [];
    expect(passThrough(guardOf(newCanary(), (incident) => told.push(incident)), [`See ${newCanary()}.`])).toMatchObject({ code: "GUARDRAIL_BLOCKED" });
    const own = newCanary();
    expect(passThrough(guardOf(own, (incident) => told.push(incident)), [`See ${own}.`])).toMatchObject({ code: "GUARDRAIL_BLOCKED" });
    expect(told).toEqual(["FOREIGN_CANARY", "OWN_CANARY"]);
    const alike = `${own.slice(0, -4)}${own.endsWith("0000") ? "1111" : "0000"}`;
    expect(passThrough(guardOf(newCanary()), [`See ${alike}.`])).toBe(`See ${alike}.`);
  });

  it("draws another canary for every answer", () => {
    expect(new Set(Array.from({ length: 100 }, newCanary)).size).toBe(100);
  });
});
