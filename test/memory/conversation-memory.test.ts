import { describe, expect, it } from "vitest";
import { newId, type ConversationId } from "../../src/kernel/ids.js";
import { parseConversationId, recallTurns } from "../../src/memory/conversation-memory.js";
import type { ConversationRow, ConversationStore, MessageRow } from "../../src/storage/tenant-store.js";

const id = newId<ConversationId>("conversation");
const countWords = (text: string) => text.split(" ").length;

function storeOf(turns: readonly { question: string; answer: string }[] | undefined): ConversationStore {
  const row = { id, title: "t" } as ConversationRow;
  return {
    get: async () => (turns === undefined ? undefined : row),
    latest: async (_id: ConversationId, limit: number) => (turns ?? []).slice(-limit) as unknown as readonly MessageRow[],
  } as unknown as ConversationStore;
}

const turns = Array.from({ length: 40 }, (_, i) => ({ question: `q${i} two three`, answer: `a${i} two` }));

describe("what a conversation has said", () => {
  it("is its latest whole turns within the budget, oldest first", async () => {
    expect(await recallTurns(storeOf(turns), id, 14, countWords)).toEqual(turns.slice(-2));
    expect(await recallTurns(storeOf(turns), id, 15, countWords)).toEqual(turns.slice(-3));
  });

  it("is nothing where the budget holds nothing", async () => {
    expect(await recallTurns(storeOf(turns), id, 0, countWords)).toEqual([]);
  });

  it("has no gap: a turn that does not fit ends it", async () => {
    const withLong = [{ question: "short", answer: "one" }, { question: "x ".repeat(100), answer: "long" }, { question: "last", answer: "one" }];
    expect(await recallTurns(storeOf(withLong), id, 20, countWords)).toEqual([withLong[2]]);
  });

  it("is NOT_FOUND for a conversation that is not the caller's, never an empty memory", async () => {
    await expect(recallTurns(storeOf(undefined), id, 100, countWords)).rejects.toMatchObject({ code: "NOT_FOUND", message: "Conversation not found" });
  });

  it.each([undefined, null, "", "default", "cnv_", "doc_aaaaaaaaaaaaaaaaaaaa", `${id}x`, { $ne: "" }, [id]])("has no default: %j is NOT_FOUND", (value) => {
    expect(() => parseConversationId(value)).toThrow(expect.objectContaining({ code: "NOT_FOUND", message: "Conversation not found" }));
  });
});
