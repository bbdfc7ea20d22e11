import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { newId, parseUserId, type ConversationId, type DocumentId } from "../../src/kernel/ids.js";
import type { KeyedAnswer, TenantStore } from "../../src/storage/tenant-store.js";
import { policies } from "../support/tenants.js";
import { newDocument } from "../support/homes.js";

const caps = policies.PRO;
const user = parseUserId("user-1");
const minute = 60_000;
const [one, two] = ["1".repeat(64), "2".repeat(64)];

function answerOf(text: string, more: Partial<KeyedAnswer> = {}): KeyedAnswer {
  return { id: newId("message"), answer: text, documentIds: [], ...more };
}

/** The part of `tenantStoreContract` about idempotency keys. */
export function idempotencyContract(store: () => TenantStore): void {
  const keys = (of = user) => store().idempotencyOf(of);
  describe("an idempotency key", () => {
    it("belongs to its first user until it is answered, and stands for that answer from then on", async () => {
      const key = randomUUID();
      expect(await keys().look(key, one)).toEqual({ kind: "FREE" });
      expect(await keys().claim(key, one, "first", minute)).toEqual({ kind: "CLAIMED" });
      expect(await keys().claim(key, one, "second", minute)).toEqual({ kind: "BUSY" });
      expect(await keys().renew(key, "first", minute)).toBe(true);
      expect(await keys().renew(key, "second", minute)).toBe(false);
      expect(await keys().answer(key, one, answerOf("The answer"))).toEqual({ kind: "STORED" });
      for (const state of [await keys().look(key, one), await keys().claim(key, one, "third", minute), await keys().answer(key, one, answerOf("Another"))]) {
        expect(state).toEqual({ kind: "ANSWERED", answer: "The answer" });
      }
      // Whoever works on it late can neither keep it nor free it.
      expect(await keys().renew(key, "first", minute)).toBe(false);
      await keys().release(key, "first");
      expect(await keys().look(key, one)).toMatchObject({ kind: "ANSWERED" });
    });

    it("is one claim's alone when many are made at once", async () => {
      const key = randomUUID();
      const states = await Promise.all(Array.from({ length: 20 }, (_, n) => keys().claim(key, one, `owner-${n}`, minute)));
      expect(states.filter(({ kind }) => kind === "CLAIMED")).toHaveLength(1);
      expect(states.filter(({ kind }) => kind === "BUSY")).toHaveLength(19);
    });

    it("is bound to its arguments, worked on or answered, and to none once it is released", async () => {
      const key = randomUUID();
      await keys().claim(key, one, "first", minute);
      expect(await keys().claim(key, two, "second", minute)).toEqual({ kind: "MISMATCH" });
      expect(await keys().answer(key, two, answerOf("Of other arguments"))).toEqual({ kind: "MISMATCH" });
      await keys().release(key, "second");
      expect(await keys().look(key, two)).toEqual({ kind: "MISMATCH" });
      await keys().release(key, "first");
      expect(await keys().claim(key, two, "second", minute)).toEqual({ kind: "CLAIMED" });
      await keys().answer(key, two, answerOf("Two"));
      expect([await keys().look(key, one), await keys().look(key, two)]).toEqual([{ kind: "MISMATCH" }, { kind: "ANSWERED", answer: "Two" }]);
    });

    it("is taken over when its owner's lease is over, and keeps the first answer that arrives", async () => {
      const key = randomUUID();
      await keys().claim(key, one, "crashed", 1);
      await sleep(5);
      expect(await keys().look(key, one)).toEqual({ kind: "FREE" });
      expect(await keys().claim(key, two, "other", minute)).toEqual({ kind: "MISMATCH" });
      expect(await keys().claim(key, one, "taker", minute)).toEqual({ kind: "CLAIMED" });
      expect(await keys().renew(key, "crashed", minute)).toBe(false);
      await keys().release(key, "crashed");
      expect(await keys().look(key, one)).toEqual({ kind: "BUSY" });
      // It was only slow: its answer is as good as the taker's, and earlier.
      expect(await keys().answer(key, one, answerOf("Slow"))).toEqual({ kind: "STORED" });
      expect(await keys().answer(key, one, answerOf("Taken"))).toEqual({ kind: "ANSWERED", answer: "Slow" });
    });

    it("keeps an answer even when it was released meanwhile", async () => {
      const key = randomUUID();
      expect(await keys().answer(key, one, answerOf("Late"))).toEqual({ kind: "STORED" });
      expect(await keys().look(key, one)).toEqual({ kind: "ANSWERED", answer: "Late" });
    });

    it("adds one turn to the conversation, with the answer that is kept", async () => {
      const key = randomUUID();
      const talk = store().conversationsOf(user);
      const { id: conversationId } = await talk.start("Talk");
      const said = (text: string) => keys().answer(key, one, answerOf(text, { conversationId, turn: { question: "Question", answer: text } }));
      const states = [await said("First"), await said("Second")];
      expect(states.map(({ kind }) => kind)).toEqual(["STORED", "ANSWERED"]);
      expect((await talk.latest(conversationId, 5)).map(({ question, answer }) => [question, answer])).toEqual([["Question", "First"]]);
      await talk.clear(conversationId);
      expect(await keys().answer(randomUUID(), one, answerOf("Late", { conversationId, turn: { question: "Question", answer: "Late" } }))).toEqual({ kind: "STORED" });
      expect(await talk.latest(conversationId, 5)).toEqual([]);
    });

    it("is used up, without its answer, when a document that was quoted or the conversation is gone", async () => {
      const [kept, quoted, never] = [randomUUID(), randomUUID(), randomUUID()];
      const documents = await Promise.all([0, 1].map(() => store().documents.add(newDocument(), caps)));
      const [first, second] = documents.map(({ id }) => id) as [DocumentId, DocumentId];
      const talk = store().conversationsOf(user);
      const conversation = await talk.start("Talk");
      await keys().answer(kept, one, answerOf("Kept", { documentIds: [second] }));
      await keys().answer(quoted, one, answerOf("Quoted", { documentIds: [first, second, second] }));
      await keys().answer(never, one, answerOf("Never", { documentIds: [newId<DocumentId>("document")] }));
      const said = randomUUID();
      await keys().answer(said, one, answerOf("Said", { conversationId: conversation.id }));
      const states = async () => (await Promise.all([kept, quoted, never, said].map((key) => keys().look(key, one)))).map(({ kind }) => kind);
      expect(await states()).toEqual(["ANSWERED", "ANSWERED", "GONE", "ANSWERED"]);
      await store().documents.remove(first);
      await talk.clear(conversation.id);
      expect(await states()).toEqual(["ANSWERED", "GONE", "GONE", "GONE"]);
      expect(await keys().claim(quoted, one, "again", minute)).toEqual({ kind: "GONE" });
      expect(await keys().answer(quoted, one, answerOf("Again"))).toEqual({ kind: "GONE" });
      await store().documents.remove(second);
      expect((await keys().look(kept, one)).kind).toBe("GONE");
    });

    it("of one user is nothing to another, in either direction", async () => {
      const key = randomUUID();
      const other = parseUserId("user-2");
      const [mine, theirs] = [await store().conversationsOf(user).start("Mine"), newId<ConversationId>("conversation")];
      await keys().claim(key, one, "mine", minute);
      expect(await keys(other).claim(key, two, "theirs", minute)).toEqual({ kind: "CLAIMED" });
      expect(await keys(other).renew(key, "mine", minute)).toBe(false);
      await keys(other).release(key, "mine");
      expect(await keys().answer(key, one, answerOf("Mine", { conversationId: mine.id }))).toEqual({ kind: "STORED" });
      // Another user's conversation is as missing as one that never was.
      expect(await keys(other).answer(key, two, answerOf("Theirs", { conversationId: mine.id }))).toEqual({ kind: "STORED" });
      expect([await keys().look(key, one), await keys(other).look(key, two)]).toEqual([{ kind: "ANSWERED", answer: "Mine" }, { kind: "GONE" }]);
      expect(await store().conversationsOf(other).get(theirs)).toBeUndefined();
      await store().conversationsOf(user).clear(mine.id);
    });

    it("may be any text, and is told apart from every other by its bytes", async () => {
      const texts = ["__proto__", "constructor", '{"$ne":""}', "$where", "a.b", "a/b", " a", "a ", "A", "a", "é", "e\u0301", "\u00c5", "\u212b", "ﬁ", "fi", "k".repeat(200), "k".repeat(199), '","'];
      await Promise.all(texts.map((key) => keys().answer(key, one, answerOf(key))));
      const found = await Promise.all(texts.map((key) => keys().look(key, one)));
      expect(found).toEqual(texts.map((answer) => ({ kind: "ANSWERED", answer })));
      // The separator of user and key cannot be forged: user `user-1","x` with key `y` is not user `user-1` with key `x","y`.
      expect(await keys(parseUserId('user-1","x')).look("y", one)).toEqual({ kind: "FREE" });
    });
  });
}
