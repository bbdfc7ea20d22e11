import { beforeAll, describe, expect, it } from "vitest";
import { createHash, randomBytes } from "node:crypto";
import { newId, parseUserId, type ChunkId, type ConversationId, type DocumentId } from "../../src/kernel/ids.js";
import type { TenantStore } from "../../src/storage/tenant-store.js";
import { policies } from "../support/tenants.js";
import { idempotencyContract } from "./idempotency-store.contract.js";
import { newChunk, newDocument, testEmbedding, untilSearchable } from "../support/homes.js";

const caps = policies.PRO;
const user = parseUserId("user-1");

/** What every placement owes its callers. `open` gives the store of a tenant without any data. */
export function tenantStoreContract(name: string, open: () => Promise<TenantStore>): void {
  describe(`tenant store contract: ${name}`, () => {
    let store: TenantStore;
    beforeAll(async () => {
      store = await open();
    });

    it("counts nothing in a tenant without data", async () => {
      expect(await store.documents.totals()).toEqual({ documents: 0, chunks: 0, bytes: 0 });
      expect(await store.chunks.statistics()).toEqual({ chunks: 0, meanLength: 0, revision: 0 });
      expect(await store.chunks.nearest(Float32Array.of(1, 0, 0, 0), 5, {})).toEqual([]);
    });

    it("keeps a document and gives its raw bytes back unchanged", async () => {
      const raw = Buffer.concat([Buffer.from("Plain text. ".repeat(500)), randomBytes(64)]);
      const document = newDocument({ title: "Price list $ne", tags: ["tenant_id", "$where"], raw });
      const added = await store.documents.add(document, caps);
      expect(added).toMatchObject({ tenantId: store.tenantId, id: document.id, title: "Price list $ne", tags: ["tenant_id", "$where"], state: "PENDING", version: 0, chunkCount: 0, bytes: raw.length });
      expect(added.contentSha256).toBe(createHash("sha256").update(raw).digest("hex"));
      expect(await store.documents.get(document.id)).toEqual(added);
      expect(Buffer.from((await store.documents.raw(document.id)) ?? [])).toEqual(raw);
      expect(await store.documents.remove(document.id)).toBe(true);
    });

    it("refuses the same id twice and leaves the first one as it was", async () => {
      const document = newDocument();
      const first = await store.documents.add(document, caps);
      await expect(store.documents.add({ ...document, title: "Another" }, caps)).rejects.toMatchObject({ code: "CONFLICT" });
      expect(await store.documents.get(document.id)).toEqual(first);
      await store.documents.remove(document.id);
    });

    it("answers for missing ids with nothing, in the order that was asked", async () => {
      const one = await store.documents.add(newDocument(), caps);
      const two = await store.documents.add(newDocument(), caps);
      const missing = newId<DocumentId>("document");
      expect((await store.documents.getMany([two.id, missing, one.id, two.id])).map((row) => row?.id)).toEqual([two.id, undefined, one.id, two.id]);
      expect(await store.documents.get(missing)).toBeUndefined();
      expect(await store.documents.raw(missing)).toBeUndefined();
      expect(await store.documents.remove(missing)).toBe(false);
      await expect(store.documents.publish(missing, [], testEmbedding, caps)).rejects.toMatchObject({ code: "NOT_FOUND" });
      await expect(store.documents.retry(missing)).rejects.toMatchObject({ code: "NOT_FOUND" });
      await Promise.all([one, two].map((row) => store.documents.remove(row.id)));
    });

    it("publishes a version whole, replaces the former one, and counts both exactly", async () => {
      const { id } = await store.documents.add(newDocument({ tags: ["a", "b"] }), caps);
      const old = [newChunk(0, [1, 0, 0, 0]), newChunk(1, [0, 1, 0, 0]), newChunk(2, [0, 0, 1, 0])];
      const first = await store.documents.publish(id, old, testEmbedding, caps);
      expect(first).toMatchObject({ state: "INDEXING", version: 1, chunkCount: 3 });
      const revision = (await store.chunks.statistics()).revision;
      const next = [newChunk(0, [0, 0, 0, 1], { length: 10, terms: ["fresh"], termCounts: [10] })];
      expect(await store.documents.publish(id, next, testEmbedding, caps)).toMatchObject({ version: 2, chunkCount: 1 });
      expect(await store.documents.totals()).toMatchObject({ documents: 1, chunks: 1 });
      expect(await store.chunks.statistics()).toMatchObject({ chunks: 1, meanLength: 10, revision: revision + 1 });
      // An index may follow late: what is kept of answers must not outlive the moment in which the document can be found.
      await store.documents.markReady(id, 1);
      expect(await store.chunks.statistics()).toMatchObject({ revision: revision + 1 });
      await store.documents.markReady(id, 2);
      await store.documents.markReady(id, 2);
      expect(await store.chunks.statistics()).toMatchObject({ revision: revision + 2 });
      expect(await store.chunks.getMany([old[0]?.id as ChunkId, next[0]?.id as ChunkId])).toEqual([
        undefined,
        { tenantId: store.tenantId, id: next[0]?.id, documentId: id, ordinal: 0, text: "Passage 0", headings: ["Chapter"] },
      ]);
      expect(await store.chunks.termFrequencies(["passag", "fresh", "none"])).toEqual(new Map([["passag", 0], ["fresh", 1], ["none", 0]]));
      await store.documents.remove(id);
      expect(await store.documents.totals()).toEqual({ documents: 0, chunks: 0, bytes: 0 });
    });

    it("goes through its states only in their order", async () => {
      const { id } = await store.documents.add(newDocument(), caps);
      await store.documents.markReady(id, 0);
      expect((await store.documents.get(id))?.state).toBe("PENDING");
      await expect(store.documents.retry(id)).rejects.toMatchObject({ code: "CONFLICT" });
      await store.documents.markFailed(id, { code: "BAD_USER_INPUT", message: "Broken" });
      expect(await store.documents.get(id)).toMatchObject({ state: "FAILED", failure: { code: "BAD_USER_INPUT", message: "Broken" } });
      const retried = await store.documents.retry(id);
      expect(retried.state).toBe("PENDING");
      expect(retried.failure).toBeUndefined();
      const { version } = await store.documents.publish(id, [newChunk(0, [1, 0, 0, 0])], testEmbedding, caps);
      await store.documents.markReady(id, version + 1);
      expect((await store.documents.get(id))?.state).toBe("INDEXING");
      await store.documents.markReady(id, version);
      await store.documents.markFailed(id, { code: "INTERNAL", message: "Late" });
      expect((await store.documents.get(id))?.state).toBe("READY");
      await store.documents.remove(id);
    });

    it("lists unfinished documents alone, newest first", async () => {
      const ready = await store.documents.add(newDocument(), caps);
      await store.documents.publish(ready.id, [newChunk(0, [1, 0, 0, 0])], testEmbedding, caps);
      await store.documents.markReady(ready.id, 1);
      const pending = [await store.documents.add(newDocument(), caps)];
      await new Promise((resolve) => setTimeout(resolve, 3));
      pending.unshift(await store.documents.add(newDocument(), caps));
      expect((await store.documents.unfinished(10)).map((row) => row.id)).toEqual(pending.map((row) => row.id));
      expect(await store.documents.unfinished(1)).toHaveLength(1);
      await Promise.all([ready, ...pending].map((row) => store.documents.remove(row.id)));
    });

    it("pages through every document once, whatever the page size, and filters", async () => {
      const added = await Promise.all(
        Array.from({ length: 11 }, (_, n) => store.documents.add(newDocument({ title: `Title ${n} (a.b*)`, tags: n % 2 === 0 ? ["even", "all"] : ["all"], mediaType: n < 3 ? "text/html" : "text/plain" }), caps)),
      );
      const seen: string[] = [];
      let after: string | undefined;
      for (;;) {
        const page = await store.documents.page({ first: 3, ...(after === undefined ? {} : { after }) }, {});
        seen.push(...page.items.map(({ item }) => item.id));
        after = page.items.at(-1)?.cursor;
        if (!page.hasNextPage) break;
      }
      expect(seen.toSorted()).toEqual(added.map((row) => row.id).toSorted());
      const count = async (filter: Parameters<TenantStore["documents"]["page"]>[1]): Promise<number> => (await store.documents.page({ first: 100 }, filter)).items.length;
      expect(await count({ tags: ["even", "all"] })).toBe(6);
      expect(await count({ mediaTypes: ["text/html"] })).toBe(3);
      expect(await count({ states: ["READY"] })).toBe(0);
      expect(await count({ titleContains: "title 1" })).toBe(2);
      expect(await count({ titleContains: "(A.B*)" })).toBe(11);
      expect(await count({ titleContains: "a.*b" })).toBe(0);
      await expect(store.documents.page({ first: 101 }, {})).rejects.toMatchObject({ code: "BAD_USER_INPUT" });
      await expect(store.documents.page({ first: 1, after: "garbage" }, {})).rejects.toMatchObject({ code: "BAD_USER_INPUT" });
      await Promise.all(added.map((row) => store.documents.remove(row.id)));
    });

    it("finds the nearest chunks, best first, within the filter", async () => {
      const a = await store.documents.add(newDocument({ tags: ["x", "y"] }), caps);
      const b = await store.documents.add(newDocument({ tags: ["x"], mediaType: "text/markdown" }), caps);
      const chunks = [newChunk(0, [1, 0, 0, 0]), newChunk(1, [0.8, 0.6, 0, 0])];
      await store.documents.publish(a.id, chunks, testEmbedding, caps);
      await store.documents.publish(b.id, [newChunk(0, [0, 1, 0, 0])], testEmbedding, caps);
      await untilSearchable(store, a.id, 1);
      await untilSearchable(store, b.id, 1);
      expect(await store.chunks.isSearchable(a.id, 2)).toBe(false);
      const found = await store.chunks.nearest(Float32Array.of(1, 0, 0, 0), 10, {});
      expect(found.map(({ score }) => Number(score.toFixed(3)))).toEqual([1, 0.9, 0.5]);
      expect(found[0]?.chunk).toEqual({ tenantId: store.tenantId, id: chunks[0]?.id, documentId: a.id, ordinal: 0, text: "Passage 0", headings: ["Chapter"] });
      const hits = async (filter: Parameters<TenantStore["chunks"]["nearest"]>[2]): Promise<number> => (await store.chunks.nearest(Float32Array.of(1, 0, 0, 0), 10, filter)).length;
      expect(await hits({ documentIds: [b.id] })).toBe(1);
      expect(await hits({ documentIds: [] })).toBe(0);
      expect(await hits({ mediaTypes: [] })).toBe(0);
      expect(await hits({ tags: ["x", "y"] })).toBe(2);
      expect(await hits({ tags: ["x"] })).toBe(3);
      expect(await hits({ mediaTypes: ["text/markdown"], tags: ["y"] })).toBe(0);
      expect(await store.chunks.nearest(Float32Array.of(1, 0, 0, 0), 1, {})).toHaveLength(1);
      await Promise.all([a, b].map((row) => store.documents.remove(row.id)));
      await expect.poll(() => hits({}), { timeout: 20_000 }).toBe(0);
    });

    it("shows a passage between its neighbours, of the present version of a ready document alone", async () => {
      const { id } = await store.documents.add(newDocument(), caps);
      const old = [newChunk(0, [1, 0, 0, 0]), newChunk(1, [0, 1, 0, 0]), newChunk(2, [0, 0, 1, 0])];
      await store.documents.publish(id, old, testEmbedding, caps);
      const [first, middle, last] = old.map((chunk) => chunk.id);
      expect(await store.chunks.passage(middle as ChunkId)).toBeUndefined();
      await store.documents.markReady(id, 1);
      expect(await store.chunks.passage(middle as ChunkId)).toEqual({ tenantId: store.tenantId, id: middle, documentId: id, ordinal: 1, text: "Passage 1", headings: ["Chapter"], before: "Passage 0", after: "Passage 2" });
      expect(await store.chunks.passage(first as ChunkId)).toEqual({ tenantId: store.tenantId, id: first, documentId: id, ordinal: 0, text: "Passage 0", headings: ["Chapter"], after: "Passage 1" });
      const end = await store.chunks.passage(last as ChunkId);
      expect(end?.before).toBe("Passage 1");
      expect(end).not.toHaveProperty("after");
      const next = newChunk(0, [0, 0, 0, 1]);
      await store.documents.publish(id, [next], testEmbedding, caps);
      expect(await store.chunks.passage(next.id)).toBeUndefined();
      await store.documents.markReady(id, 2);
      expect(await store.chunks.passage(next.id)).toEqual({ tenantId: store.tenantId, id: next.id, documentId: id, ordinal: 0, text: "Passage 0", headings: ["Chapter"] });
      for (const stale of [first, middle, last]) expect(await store.chunks.passage(stale as ChunkId)).toBeUndefined();
      await store.documents.remove(id);
      expect(await store.chunks.passage(next.id)).toBeUndefined();
      expect(await store.chunks.passage(newId<ChunkId>("chunk"))).toBeUndefined();
    });

    it("finds chunks by term with what BM25 needs", async () => {
      const { id } = await store.documents.add(newDocument({ tags: ["x"] }), caps);
      const chunks = [newChunk(0, [1, 0, 0, 0], { terms: ["alpha", "beta"], termCounts: [3, 1], length: 4 }), newChunk(1, [0, 1, 0, 0], { terms: ["beta"], termCounts: [2], length: 2 })];
      await store.documents.publish(id, chunks, testEmbedding, caps);
      expect(await store.chunks.termFrequencies(["alpha", "beta", "beta"])).toEqual(new Map([["alpha", 1], ["beta", 2]]));
      const [match] = await store.chunks.withAnyTerm(["alpha"], 10, { tags: ["x"] });
      expect(match).toEqual({ tenantId: store.tenantId, id: chunks[0]?.id, documentId: id, ordinal: 0, text: "Passage 0", headings: ["Chapter"], terms: ["alpha", "beta"], termCounts: [3, 1], length: 4 });
      expect(await store.chunks.withAnyTerm(["alpha", "beta"], 10, {})).toHaveLength(2);
      expect(await store.chunks.withAnyTerm(["alpha", "beta"], 1, {})).toHaveLength(1);
      expect(await store.chunks.withAnyTerm(["beta"], 10, { tags: ["other"] })).toEqual([]);
      expect(await store.chunks.withAnyTerm(["beta"], 10, { documentIds: [] })).toEqual([]);
      expect(await store.chunks.withAnyTerm([], 10, {})).toEqual([]);
      await store.documents.remove(id);
    });

    it("refuses to mix embedding models, and vectors of another length", async () => {
      const { id } = await store.documents.add(newDocument(), caps);
      await expect(store.documents.publish(id, [], { model: "other", dimensions: 4 }, caps)).rejects.toMatchObject({ code: "CONFLICT" });
      await expect(store.documents.publish(id, [newChunk(0, [1, 0, 0])], testEmbedding, caps)).rejects.toMatchObject({ code: "CONFLICT" });
      expect(await store.documents.get(id)).toMatchObject({ state: "PENDING", version: 0, chunkCount: 0 });
      await store.documents.remove(id);
    });

    it("refuses what passes a cap and writes nothing of it", async () => {
      const { id } = await store.documents.add(newDocument({ raw: Buffer.alloc(60) }), { maxDocuments: 1, maxBytes: 100 });
      const other = newDocument({ raw: Buffer.alloc(30) });
      await expect(store.documents.add(other, { maxDocuments: 1, maxBytes: 100 })).rejects.toMatchObject({ code: "LIMIT_EXCEEDED", details: { limit: "documents" } });
      await expect(store.documents.add({ ...other, raw: Buffer.alloc(41) }, { maxDocuments: 9, maxBytes: 100 })).rejects.toMatchObject({ code: "LIMIT_EXCEEDED", details: { limit: "bytes" } });
      expect(await store.documents.raw(other.id)).toBeUndefined();
      const two = [newChunk(0, [1, 0, 0, 0]), newChunk(1, [0, 1, 0, 0])];
      await expect(store.documents.publish(id, two, testEmbedding, { maxChunks: 1 })).rejects.toMatchObject({ code: "LIMIT_EXCEEDED", details: { limit: "chunks" } });
      expect(await store.chunks.getMany(two.map((chunk) => chunk.id))).toEqual([undefined, undefined]);
      expect(await store.documents.totals()).toEqual({ documents: 1, chunks: 0, bytes: 60 });
      // A new version takes the place of the old one: it is not counted on top of it.
      await store.documents.publish(id, two, testEmbedding, { maxChunks: 2 });
      await store.documents.publish(id, [newChunk(0, [1, 0, 0, 0]), newChunk(1, [0, 1, 0, 0])], testEmbedding, { maxChunks: 2 });
      await store.documents.remove(id);
    });

    it("keeps a conversation of one user, in the order of its turns", async () => {
      const mine = store.conversationsOf(user);
      const conversation = await mine.start("First");
      await Promise.all(Array.from({ length: 7 }, (_, n) => mine.append(conversation.id, { question: `q${n}`, answer: `a${n}` })));
      const all = await mine.messages(conversation.id, { first: 100 });
      // Turns that are added at one time have no order between them (one that waits for a switch comes later), but each has one place.
      const asked = all.items.map(({ item }) => item.question);
      expect(asked.toSorted()).toEqual(["q0", "q1", "q2", "q3", "q4", "q5", "q6"]);
      expect((await mine.latest(conversation.id, 2)).map((turn) => turn.question)).toEqual(asked.slice(-2));
      const page = await mine.messages(conversation.id, { first: 3 });
      const rest = await mine.messages(conversation.id, { first: 10, after: page.items.at(-1)?.cursor ?? "" });
      expect([page.hasNextPage, rest.hasNextPage, rest.items.length]).toEqual([true, false, 4]);
      expect(await mine.get(conversation.id)).toMatchObject({ title: "First", tenantId: store.tenantId });
      expect(await mine.clear(conversation.id)).toBe(true);
      expect(await mine.clear(conversation.id)).toBe(false);
      expect(await mine.latest(conversation.id, 5)).toEqual([]);
    });

    it("keeps a summary with its conversation: only on top of the one it was made from, and at no cost to turns, time or title", async () => {
      const mine = store.conversationsOf(user);
      const { id, updatedAt } = await mine.start("Long talk");
      await mine.append(id, { question: "q0", answer: "a0" });
      const before = await mine.get(id);
      expect(before).not.toHaveProperty("summary");
      expect(await mine.summarise(id, 1, { text: "Of another one", turns: 2 })).toBe(false);
      // Two servers read the same turns: one summary is kept, and the other finds that it came too late.
      const both = await Promise.all(["one", "two"].map((text) => mine.summarise(id, 0, { text, turns: 1 })));
      expect(both.toSorted()).toEqual([false, true]);
      expect(await mine.get(id)).toEqual({ ...before, summary: { text: both[0] ? "one" : "two", turns: 1 } });
      expect(updatedAt.getTime()).toBeLessThanOrEqual(before?.updatedAt.getTime() ?? 0);
      expect(await mine.summarise(id, 0, { text: "older", turns: 5 })).toBe(false);
      // Turns that are added meanwhile are neither lost nor numbered twice.
      const added = Array.from({ length: 8 }, (_, n) => mine.append(id, { question: `q${n + 1}`, answer: "a" }));
      expect(await mine.summarise(id, 1, { text: "three", turns: 3 })).toBe(true);
      await Promise.all(added);
      expect((await mine.latest(id, 20)).map(({ ordinal }) => ordinal)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
      expect((await mine.page({ first: 5 })).items.find(({ item }) => item.id === id)?.item.summary).toEqual({ text: "three", turns: 3 });
      const theirs = store.conversationsOf(parseUserId("user-2"));
      expect(await theirs.summarise(id, 3, { text: "Poison", turns: 9 })).toBe(false);
      expect((await mine.get(id))?.summary?.text).toBe("three");
      await mine.clear(id);
      expect(await mine.summarise(id, 3, { text: "Back again", turns: 9 })).toBe(false);
      expect(await mine.get(id)).toBeUndefined();
    });

    it("shows a user nothing of another user's conversations", async () => {
      const mine = store.conversationsOf(user);
      const theirs = store.conversationsOf(parseUserId("user-2"));
      const conversation = await mine.start("Secret");
      await mine.append(conversation.id, { question: "q", answer: "a" });
      expect(await theirs.get(conversation.id)).toBeUndefined();
      expect(await theirs.getMany([conversation.id])).toEqual([undefined]);
      expect(await theirs.latest(conversation.id, 5)).toEqual([]);
      expect((await theirs.page({ first: 5 })).items).toEqual([]);
      expect((await theirs.messages(conversation.id, { first: 5 })).items).toEqual([]);
      expect(await theirs.clear(conversation.id)).toBe(false);
      const missing = newId<ConversationId>("conversation");
      const refusals = await Promise.all([conversation.id, missing].map((id) => theirs.append(id, { question: "x", answer: "y" }).catch((error: unknown) => String(error))));
      expect(refusals[0]).toBe(refusals[1]);
      expect(await mine.latest(conversation.id, 5)).toHaveLength(1);
      await mine.clear(conversation.id);
    });

    idempotencyContract(() => store);
  });
}
