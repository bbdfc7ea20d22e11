import { describe, expect, it } from "vitest";
import { EmbeddedExtractive } from "../../src/inference/embedded-extractive.js";
import { summariseByQuoting } from "../../src/inference/extractive-summary.js";
import { LazyTokenCounter } from "../../src/inference/token-counter.js";

const countWords = (text: string) => text.split(" ").length;
const turns = [
  { text: "User: How long is the notice period for Bramble?\n\nAssistant: The notice period for Bramble is six weeks." },
  { text: "User: Thanks.\n\nAssistant: You are welcome." },
  { text: "User: And does the notice period change?\n\nAssistant: After 5 years the notice period is 12 weeks. Cats sleep." },
];

describe("a summary by quoting", () => {
  it("keeps the sentences that share most with the others, in their order, and invents none", () => {
    const summary = summariseByQuoting(turns, 22, countWords);
    expect(summary).toBe("Assistant: The notice period for Bramble is six weeks. Assistant: After 5 years the notice period is 12 weeks.");
  });

  it.each([0, 1, 5, 12, 1_000])("stays within %i tokens", (tokensMax) => {
    const summary = summariseByQuoting(turns, tokensMax, countWords);
    expect(summary === "" ? 0 : countWords(summary)).toBeLessThanOrEqual(tokensMax);
  });

  it("says what is said twice once, and nothing of nothing", () => {
    const same = { text: "The notice period is six weeks." };
    expect(summariseByQuoting([same, same], 100, countWords)).toBe(same.text);
    expect(summariseByQuoting([], 100, countWords)).toBe("");
    expect(summariseByQuoting([{ text: "?! …" }], 100, countWords)).toBe("");
  });

  it("is what the embedded model gives when it is asked to summarise, counted as it is", async () => {
    const counter = new LazyTokenCounter();
    await counter.load();
    const passages = turns.map(({ text }, at) => ({ label: String(at + 1), title: `Turn ${at + 1}`, text, score: 1 }));
    const events = [];
    for await (const event of new EmbeddedExtractive(counter).complete({ task: "SUMMARISE", model: "embedded-extractive", question: "", history: [], passages, maxTokens: 40, userTag: "u", canary: "c" }, new AbortController().signal)) events.push(event);
    const text = events.map((event) => (event.kind === "DELTA" ? event.text : "")).join("");
    expect(text).toContain("six weeks");
    expect(events.at(-1)).toMatchObject({ kind: "DONE", finishReason: "STOP", usage: { completionTokens: counter.count(text), promptTokens: passages.reduce((sum, passage) => sum + counter.count(passage.text), 0) } });
    expect(counter.count(text)).toBeLessThanOrEqual(40);
  });
});
