import { beforeEach, describe, expect, it } from "vitest";
import type { ChunkId, DocumentId, TenantId } from "../../src/kernel/ids.js";
import { searchPassages } from "../../src/retrieval/search-passages.js";
import { countTerms } from "../../src/retrieval/terms.js";
import { vectorOf } from "../support/letter-embedder.js";
import { MemoryTenantStore } from "../support/memory-tenant-store.js";

const caps = { maxDocuments: 1_000, maxBytes: 1e9, maxChunks: 10_000 };
let tenants = 0;

async function publish(store: MemoryTenantStore, name: string, texts: readonly string[], vectors: readonly Float32Array[] = texts.map(vectorOf)): Promise<void> {
  const id = name as DocumentId;
  if (!store.rows.has(id)) await store.documents.add({ id, title: name, mediaType: "text/plain", tags: [], raw: new Uint8Array(1) }, caps);
  const chunks = texts.map((text, ordinal) => {
    const { terms, counts, length } = countTerms(text);
    return { id: `${store.tenantId}/${name}/${ordinal}` as ChunkId, ordinal, text, headings: [], vector: vectors[ordinal] ?? vectorOf(text), terms, termCounts: counts, length };
  });
  await store.documents.publish(id, chunks, { model: "letters", dimensions: 26 }, caps);
}

const search = (store: MemoryTenantStore, text: string, mode: "VECTOR" | "TEXT" | "HYBRID", more: { limit?: number; vector?: Float32Array } = {}) =>
  searchPassages(store, { text, mode, limit: more.limit ?? 5, filter: {}, ...(mode === "TEXT" ? {} : { vector: more.vector ?? vectorOf(text) }) });

describe("searchPassages", () => {
  let store: MemoryTenantStore;
  beforeEach(() => {
    tenants += 1;
    store = new MemoryTenantStore(`tenant-${tenants}` as TenantId);
  });

  it("orders by cosine in VECTOR mode and gives it from -1 to 1", async () => {
    await publish(store, "a", ["abc", "xyz"]);
    const hits = await search(store, "abc", "VECTOR");
    expect(hits.map((hit) => hit.chunk.text)).toEqual(["abc", "xyz"]);
    expect(hits[0]?.vectorScore).toBeCloseTo(1);
    expect(hits[1]?.vectorScore).toBeCloseTo(0);
    expect(hits[0]).not.toHaveProperty("textScore");
  });

  it("finds by words in TEXT mode without a vector, scored between 0 and 1", async () => {
    await publish(store, "a", ["The flash point of basecoat is 41 degrees", "Parcels leave on Monday", "Points are awarded monthly"]);
    const hits = await search(store, "What is the flash point?", "TEXT");
    expect(hits[0]?.chunk.text).toContain("flash point");
    for (const hit of hits) {
      expect(hit.score).toBeGreaterThan(0);
      expect(hit.score).toBeLessThanOrEqual(1);
      expect(hit.score).toBe(hit.textScore);
    }
  });

  it("weighs a rare word over a common one", async () => {
    await publish(store, "a", [...Array.from({ length: 20 }, (_, n) => `The invoice number ${n}`), "The quasar"]);
    const [first] = await search(store, "quasar invoice", "TEXT");
    expect(first?.chunk.text).toBe("The quasar");
  });

  it("still finds the passage of a rare word when another word of the query is everywhere", async () => {
    await publish(store, "a", [...Array.from({ length: 1_500 }, (_, n) => `common filler ${n}`), "common gauge"]);
    const [first] = await search(store, "common gauge", "TEXT");
    expect(first?.chunk.text).toBe("common gauge");
  });

  it("fuses both legs as 0.3 of text and 0.7 of cosine", async () => {
    await publish(store, "a", ["alpha beta", "gamma delta"]);
    for (const hit of await search(store, "alpha", "HYBRID")) {
      expect(hit.score).toBeCloseTo(0.3 * (hit.textScore ?? 0) + 0.7 * Math.max(0, hit.vectorScore ?? 0));
    }
  });

  it("lets a passage that both legs like win over one that only one leg likes", async () => {
    const vector = vectorOf("abc");
    const near = Float32Array.from(vector, (value, i) => value * 0.95 + (i === 25 ? 0.3 : 0));
    await publish(store, "a", ["nothing in common", "torque wrench", "torque wrench torque wrench"], [vector, near, vectorOf("xyz")]);
    const hits = await search(store, "torque wrench", "HYBRID", { vector });
    expect(hits[0]?.chunk.text).toBe("torque wrench");
  });

  it("finds the passage with the very code that was asked for, though forty others sound more alike", async () => {
    const vector = vectorOf("abc");
    const alike = Array.from({ length: 60 }, (_, n) => Float32Array.from(vector, (value, i) => value * 0.8 + (i === 24 ? 0.5 + n / 1_000 : 0)));
    const code = Float32Array.from(vector, (value, i) => value * 0.7 + (i === 25 ? 0.7 : 0));
    await publish(store, "a", [...alike.map((_, n) => `a pump that stops, case ${n}`), "E4711 pump stops"], [...alike, code]);
    const [first] = await search(store, "E4711", "HYBRID", { vector });
    expect(first?.chunk.text).toBe("E4711 pump stops");
  });

  it("gives no negative score for a passage that points the other way", async () => {
    await publish(store, "a", ["abc"], [vectorOf("abc").map((value) => -value)]);
    const [hit] = await search(store, "abc", "VECTOR");
    expect(hit?.score).toBe(0);
    expect(hit?.vectorScore).toBeCloseTo(-1);
  });

  it("refuses a mode that needs a vector when none is given", async () => {
    await expect(searchPassages(store, { text: "x", mode: "HYBRID", limit: 5, filter: {} })).rejects.toMatchObject({ code: "BAD_USER_INPUT" });
  });

  it("looks up the words while the vector is still being computed", async () => {
    await publish(store, "a", ["torque wrench"]);
    // The vector comes only once the words have been looked up: waiting for it first would never end.
    const vector = new Promise<Float32Array | undefined>((resolve) => {
      const { withAnyTerm } = store.chunks;
      store.chunks.withAnyTerm = (...call) => {
        resolve(vectorOf("torque wrench"));
        return withAnyTerm.apply(store.chunks, call);
      };
    });
    const [best] = await searchPassages(store, { text: "torque wrench", mode: "HYBRID", limit: 5, filter: {}, vector });
    expect(best).toMatchObject({ chunk: { text: "torque wrench" }, vectorScore: expect.closeTo(1), textScore: expect.any(Number) });
  });

  it("fails with the vector that could not be computed", async () => {
    await publish(store, "a", ["torque wrench"]);
    const vector = Promise.reject(new RangeError("no vector"));
    await expect(searchPassages(store, { text: "torque", mode: "HYBRID", limit: 5, filter: {}, vector })).rejects.toThrow("no vector");
  });

  it("answers nothing for an empty tenant, and for a query of stop words in TEXT mode", async () => {
    expect(await search(store, "anything", "HYBRID")).toEqual([]);
    await publish(store, "a", ["what is it"]);
    expect(await search(store, "what is it", "TEXT")).toEqual([]);
  });

  it("keeps to the limit and hands on no terms", async () => {
    await publish(store, "a", Array.from({ length: 30 }, (_, n) => `torque ${n}`));
    const hits = await search(store, "torque", "TEXT", { limit: 7 });
    expect(hits).toHaveLength(7);
    for (const hit of hits) expect(Object.keys(hit.chunk).toSorted()).toEqual(["documentId", "headings", "id", "ordinal", "tenantId", "text"]);
  });

  it("counts a term once until the tenant's chunks change", async () => {
    await publish(store, "a", ["torque wrench", "paint"]);
    await search(store, "torque", "TEXT");
    await search(store, "torque", "TEXT");
    expect(store.counted).toBe(1);
    await publish(store, "b", ["torque"]);
    await search(store, "torque", "TEXT");
    expect(store.counted).toBe(2);
  });

  it("never takes another tenant's statistics, nor those of the tenant's other home", async () => {
    await publish(store, "a", ["torque", "paint", "paint", "paint"]);
    const [before] = await search(store, "torque", "TEXT");
    const other = new MemoryTenantStore(`${store.tenantId}-other` as TenantId);
    await publish(other, "a", Array.from({ length: 50 }, () => "torque"));
    await search(other, "torque", "TEXT");
    const [after] = await search(store, "torque", "TEXT");
    expect(after?.score).toBe(before?.score);
    const silo = new MemoryTenantStore(store.tenantId, "SILO");
    await publish(silo, "a", ["torque"]);
    await search(silo, "torque", "TEXT");
    expect(silo.counted).toBe(1);
  });
});
