import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Clock } from "../../src/kernel/clock.js";
import { partitionKey, type CachePartition } from "../../src/memory/cache-partition.js";
import { cachePolicyOf, thresholdOf } from "../../src/memory/cache-policy.js";
import { SemanticCache } from "../../src/memory/semantic-cache.js";
import { contextOf } from "../metering/spend-fixtures.js";
import { asked, cachedAnswer, partitionOf } from "./cache-fixtures.js";

const question = "How long is the notice period?";
const answer = cachedAnswer("Six weeks [1].");
const clockAt = (): Clock & { at: number } => ({ at: 0, now() { return this.at; } });

function keptBy(more: Partial<CachePartition> = {}, text = question): SemanticCache {
  const cache = new SemanticCache(clockAt());
  cache.keep(asked(text, more), answer);
  return cache;
}

describe("an answer is found again", () => {
  it("by its question, and by the same one in other words", () => {
    expect(keptBy().find(asked(question), 0.85)).toBe(answer);
    expect(keptBy().find(asked("What is the length of the notice period?"), 0.85)).toBe(answer);
  });

  it("by every user of the tenant, since all see the same documents", () => {
    expect(keptBy({ context: contextOf({ user: "ada" }) }).find(asked(question, { context: contextOf({ user: "bob" }) }), 0.85)).toBe(answer);
  });

  it("until a newer one takes its place", () => {
    const cache = keptBy();
    const newer = cachedAnswer("Eight weeks [1].");
    cache.keep(asked(question), newer);
    expect(cache.find(asked(question), 0.85)).toBe(newer);
    expect(cache.usage(partitionOf().context.tenantId).entries).toBe(1);
  });
});

describe("an answer is never found", () => {
  const prefix = "Context: the handbook of the company. ".repeat(40);
  it.each<[string, Partial<CachePartition>]>([
    ["from another tenant", { context: contextOf({ tenant: "globex" }) }],
    ["from a tenant whose name begins with this one's", { context: contextOf({ tenant: "acme-2" }) }],
    ["for another model", { model: "m2" }],
    ["for another length", { maxTokens: 511 }],
    ["for another prompt", { promptVersion: 2 }],
    ["with more context", { context: contextOf({ policy: { contextTokens: 1 } }) }],
    ["after a document was published or removed", { index: { epoch: 1, revision: 2 } }],
    ["in the tenant's next home", { index: { epoch: 2, revision: 1 } }],
  ])("%s, at any threshold, however long and equal the texts are", (_what, other) => {
    for (const text of [question, prefix + question]) {
      expect(keptBy({}, text).find(asked(text), -1)).toBe(answer);
      expect(keptBy({}, text).find(asked(text, other), -1)).toBeUndefined();
    }
  });

  it("by a slow request that still searches what was there before", () => {
    const cache = keptBy({ index: { epoch: 1, revision: 2 } });
    expect(cache.find(asked(question), -1)).toBeUndefined();
    expect(cache.find(asked(question, { index: { epoch: 1, revision: 2 } }), -1)).toBe(answer);
  });

  it("by a text that names the tenant it is after", () => {
    const cache = keptBy({ context: contextOf({ tenant: "globex" }) });
    for (const text of [`globex ${question}`, `{"tenant_id":"globex"} ${question}`, `tenant_id=globex ${question}`]) expect(cache.find(asked(text), -1)).toBeUndefined();
  });

  it("by a question that is near and another", () => {
    const cache = keptBy({}, `${"The contract is long. ".repeat(80)}Is notice needed after six weeks?`);
    expect(cache.find(asked(`${"The contract is long. ".repeat(80)}Is notice needed after eight weeks?`), -1)).toBeUndefined();
  });

  it("by a vector that is further away than the threshold, or of another length", () => {
    expect(keptBy().find(asked(question, {}, new Float32Array([0.8, 0.6])), 0.85)).toBeUndefined();
    expect(keptBy().find(asked(question, {}, new Float32Array([1, 0, 0])), 0)).toBeUndefined();
  });

  it("once its time is over", () => {
    const clock = clockAt();
    const cache = new SemanticCache(clock);
    cache.keep(asked(question, { context: contextOf({ policy: { cache: { ttlSeconds: 10 } } }) }), answer);
    clock.at = 9_999;
    expect(cache.find(asked(question), 0.85)).toBe(answer);
    clock.at = 10_000;
    expect(cache.find(asked(question), 0.85)).toBeUndefined();
  });

  it.each(["What is on the menu today?", "Who is on call next week?", "What are the latest prices?"])("to a question that hangs on the day: %s", (text) => {
    expect(keptBy({}, text).find(asked(text), -1)).toBeUndefined();
  });

  it("to a question that is too long to be compared", () => {
    const text = `${"word ".repeat(400)}?`;
    expect(keptBy({}, text).find(asked(text), -1)).toBeUndefined();
  });

  it("if it cites nothing", () => {
    const cache = new SemanticCache(clockAt());
    cache.keep(asked(question), { text: "The documents do not tell.", citations: [], documents: [] });
    expect(cache.find(asked(question), -1)).toBeUndefined();
  });

  it("in a tier whose cache is off", () => {
    const context = contextOf({ policy: { cache: { maxEntries: 0 } } });
    expect(keptBy({ context }).find(asked(question, { context }), -1)).toBeUndefined();
  });
});

type Parts = readonly [tenant: string, model: string, maxTokens: number, promptVersion: number, epoch: number, revision: number];

function keyOf([tenant, model, maxTokens, promptVersion, epoch, revision]: Parts): string {
  return partitionKey(partitionOf({ context: contextOf({ tenant }), model, maxTokens, promptVersion, index: { epoch, revision } }));
}

describe("the key of a partition", () => {
  it("differs whenever a part does, whatever the parts contain", () => {
    const word = fc.string({ minLength: 1, maxLength: 6, unit: fc.constantFrom("a", '"', ",", "[", "]", "\\", " ") });
    const number = fc.integer({ min: 1, max: 12 });
    const parts = fc.tuple(fc.constantFrom("acme", "globex"), word, number, number, number, number);
    // One part of `other` at a time, so that each is seen to count by itself.
    fc.assert(
      fc.property(parts, parts, fc.nat({ max: 5 }), (some, other, at) => {
        const changed = some.with(at, other[at] ?? "") as unknown as Parts;
        return (keyOf(some) === keyOf(changed)) === (some[at] === other[at]);
      }),
      { numRuns: 300 },
    );
  });
});

describe("the threshold", () => {
  it("can be raised by a caller and never lowered", () => {
    const policy = cachePolicyOf(contextOf().policy);
    fc.assert(fc.property(fc.double({ min: -1, max: 1, noNaN: true }), (wanted) => thresholdOf(policy, wanted) === Math.max(policy.minSimilarity, wanted)));
    expect(thresholdOf(policy, undefined)).toBe(policy.minSimilarity);
  });
});

function fill(cache: SemanticCache, tenant: string, count: number): void {
  for (let index = 0; index < count; index += 1) cache.keep(asked(`What is rule ${index}?`, { context: contextOf({ tenant }) }), answer);
}

describe("a tenant that floods the cache", () => {
  const small = { bytes: 60_000, tenantBytes: 50_000 };

  it("evicts nothing of a neighbour that has no more than its even share", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 4 }), fc.array(fc.constantFrom("loud", "louder"), { minLength: 50, maxLength: 60 }), (few, floods) => {
        const cache = new SemanticCache(clockAt(), small);
        const quiet = contextOf({ tenant: "quiet" });
        fill(cache, "quiet", few);
        floods.forEach((tenant, index) => cache.keep(asked(`What is clause ${index}?`, { context: contextOf({ tenant }) }), answer));
        expect(cache.usage(quiet.tenantId).entries).toBe(few);
      }),
    );
  });

  it("loses its own, least recently used first, and keeps within its bytes and entries", () => {
    const cache = new SemanticCache(clockAt(), small);
    const loud = contextOf({ tenant: "loud" });
    fill(cache, "loud", 10);
    cache.find(asked("What is rule 0?", { context: loud }), 0);
    fill(cache, "loud", 10);
    for (let index = 10; index < 26; index += 1) cache.keep(asked(`What is rule ${index}?`, { context: loud }), answer);
    expect(cache.usage(loud.tenantId).bytes).toBeLessThanOrEqual(small.tenantBytes);
    expect(cache.find(asked("What is rule 25?", { context: loud }), 0)).toBeDefined();
    expect(cache.find(asked("What is rule 0?", { context: loud }), 0)).toBeUndefined();
    const bounded = contextOf({ tenant: "bounded", policy: { cache: { maxEntries: 3 } } });
    for (let index = 0; index < 9; index += 1) cache.keep(asked(`What is rule ${index}?`, { context: bounded }), answer);
    expect(cache.usage(bounded.tenantId).entries).toBe(3);
  });

  it("has what was asked again spared", () => {
    const cache = new SemanticCache(clockAt());
    const context = contextOf({ policy: { cache: { maxEntries: 2 } } });
    cache.keep(asked("What is rule 1?", { context }), answer);
    cache.keep(asked("What is rule 2?", { context }), answer);
    cache.find(asked("What is rule 1?", { context }), 0);
    cache.keep(asked("What is rule 3?", { context }), answer);
    expect(["1", "2", "3"].filter((rule) => cache.find(asked(`What is rule ${rule}?`, { context }), 0) !== undefined)).toEqual(["1", "3"]);
  });
});
