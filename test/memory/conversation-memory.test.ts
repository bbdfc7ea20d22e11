import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { newId, type ConversationId } from "../../src/kernel/ids.js";
import { fallenTurns, parseConversationId, recall } from "../../src/memory/conversation-memory.js";
import type { ConversationRow, ConversationStore, ConversationSummary, MessageRow } from "../../src/storage/tenant-store.js";

const id = newId<ConversationId>("conversation");
const countWords = (text: string) => text.split(" ").length;

function storeOf(turns: readonly { question: string; answer: string }[] | undefined, summary?: ConversationSummary): ConversationStore {
  const row = { id, title: "t", ...(summary === undefined ? {} : { summary }) } as ConversationRow;
  return {
    get: async () => (turns === undefined ? undefined : row),
    latest: async (_id: ConversationId, limit: number) => (turns ?? []).map((turn, ordinal) => ({ ...turn, ordinal })).slice(-limit) as unknown as readonly MessageRow[],
  } as unknown as ConversationStore;
}

const recallTurns = async (...asked: Parameters<typeof recall>) => (await recall(...asked)).turns;

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

/** Turns of 100 words each. */
const long = Array.from({ length: 30 }, (_, i) => ({ question: `q${i} ${"x ".repeat(48)}x`, answer: `a${i} ${"y ".repeat(48)}y` }));

describe("the summary of a long conversation", () => {
  it("comes beside the turns that still fit, its tokens and marks counted with theirs", async () => {
    const text = "s ".repeat(49) + "s";
    const recalled = await recall(storeOf(long.slice(0, 10), { text, turns: 6 }), id, 620, countWords);
    expect(recalled).toEqual({ summary: text, turns: long.slice(6, 10), tokens: 50 + 120 + 400 });
  });

  it("that is empty, or has no room in the window of a smaller tier, is left out and counts for nothing", async () => {
    expect(await recall(storeOf(long.slice(0, 3), { text: "", turns: 2 }), id, 200, countWords)).toEqual({ turns: long.slice(1, 3), tokens: 200 });
    expect(await recall(storeOf(long.slice(0, 3), { text: "s ".repeat(99), turns: 2 }), id, 200, countWords)).toEqual({ turns: long.slice(1, 3), tokens: 200 });
  });

  const limits = { tokensMax: 1_000, textTokensMax: 3_000 };

  it("is not due while everything fits beside the longest summary there may be", async () => {
    // 1,000 less 250 for a summary and 120 for its marks: six turns.
    expect(await fallenTurns(storeOf(long.slice(0, 6)), id, limits, countWords)).toBeUndefined();
    expect(await fallenTurns(storeOf(long.slice(0, 12), { text: "s", turns: 6 }), id, limits, countWords)).toBeUndefined();
  });

  it("takes in the oldest turns that it does not cover, and clears half the window with them", async () => {
    expect(await fallenTurns(storeOf(long.slice(0, 7)), id, limits, countWords)).toEqual({ former: "", covered: 0, turns: [0, 1, 2, 3].map((ordinal) => ({ ...long[ordinal], ordinal })), covers: 4 });
    expect(await fallenTurns(storeOf(long.slice(0, 11), { text: "s", turns: 4 }), id, limits, countWords)).toEqual({ former: "s", covered: 4, turns: [4, 5, 6, 7].map((ordinal) => ({ ...long[ordinal], ordinal })), covers: 8 });
  });

  it("leaves no turn in neither: each is covered, or is among those that the next question is given", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1, maxLength: 19 }), fc.integer({ min: 400, max: 1_200 }), async (sizes, tokensMax) => {
        let summary: ConversationSummary | undefined;
        for (let said = 1; said <= sizes.length; said += 1) {
          const talk = sizes.slice(0, said).map((size, at) => ({ question: `q${at}`, answer: "w ".repeat(size).trimEnd() }));
          const fallen = await fallenTurns(storeOf(talk, summary), id, { tokensMax, textTokensMax: 3_000 }, countWords);
          if (fallen !== undefined) summary = { text: "s ".repeat(Math.min(256, Math.floor(tokensMax / 4))).trimEnd(), turns: fallen.covers };
          const { turns: given } = await recall(storeOf(talk, summary), id, tokensMax, countWords);
          if (talk.length - given.length > (summary?.turns ?? 0)) return false;
        }
        return true;
      }),
    );
  });

  it("of a talk that has outrun it reads the latest of what fell out, and at least one turn", async () => {
    const fallen = await fallenTurns(storeOf(long), id, { tokensMax: 1_000, textTokensMax: 500 }, countWords);
    expect([fallen?.turns.map(({ ordinal }) => ordinal), fallen?.covers]).toEqual([[22, 23, 24, 25, 26], 27]);
    const tight = await fallenTurns(storeOf(long), id, { tokensMax: 1_000, textTokensMax: 50 }, countWords);
    expect(tight?.turns.map(({ ordinal }) => ordinal)).toEqual([26]);
  });

  it("is made for no window without room for it", async () => {
    expect(await fallenTurns(storeOf(long), id, { tokensMax: 399, textTokensMax: 3_000 }, countWords)).toBeUndefined();
  });

  it("is nothing of a conversation that was cleared", async () => {
    expect(await fallenTurns(storeOf(undefined), id, limits, countWords)).toBeUndefined();
  });
});
