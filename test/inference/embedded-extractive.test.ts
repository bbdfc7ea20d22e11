import { beforeAll, describe, expect, it } from "vitest";
import { EmbeddedExtractive, nothingFound } from "../../src/inference/embedded-extractive.js";
import type { CompletionEvent, CompletionRequest, Passage } from "../../src/inference/inference-backend.js";
import { splitSentences } from "../../src/inference/sentences.js";
import { loadTokenCounter, type TokenCounter } from "../../src/inference/token-counter.js";

let counter: TokenCounter;
beforeAll(async () => {
  counter = await loadTokenCounter();
});

const handbook: Passage = {
  label: "1",
  title: "Employee handbook",
  score: 0.8,
  text: [
    "## Annual leave",
    "Every full-time employee has 29 days of annual leave, plus the public holidays of the site. Up to 5 days may be carried into the next year and must be used by 30 April.",
    "## Leaving",
    "The notice period is six weeks to the end of a calendar month, on both sides. In the trial period of the first four months it is two weeks.",
    "## Speaking up",
    "Report a hazard to the ombudsperson, Dr. Ilse Varnhagen, extension 7340. Reports may be anonymous.",
  ].join("\n\n"),
};
const faq: Passage = {
  label: "2",
  title: "Questions of customers",
  score: 0.7,
  text: "How long do I have to return goods?\n\nGoods may be sent back within 30 days of delivery. Cut lengths are excluded.\n\nWho pays the carriage?\n\nThe buyer pays, unless the fault is ours.",
};

async function answer(question: string, passages: readonly Passage[], more: Partial<CompletionRequest> = {}) {
  const request: CompletionRequest = { model: "embedded-extractive", question, history: [], passages, maxTokens: 512, userTag: "t", canary: "c", ...more };
  const events: CompletionEvent[] = [];
  for await (const event of new EmbeddedExtractive(counter).complete(request, new AbortController().signal)) events.push(event);
  const text = events.map((event) => (event.kind === "DELTA" ? event.text : "")).join("");
  const done = events.at(-1);
  if (done?.kind !== "DONE") throw new TypeError("The answer has no end");
  return { text, done, deltas: events.length - 1 };
}

describe("the extractive answerer", () => {
  it.each([
    ["How many days of annual leave does an employee have?", "29 days of annual leave", "1"],
    ["What is the notice period?", "six weeks to the end of a calendar month", "1"],
    ["How much notice applies in the trial period?", "two weeks", "1"],
    ["To whom do I report a hazard?", "Dr. Ilse Varnhagen", "1"],
    ["How long may I return goods?", "within 30 days of delivery", "2"],
    ["Who has to pay for carriage?", "The buyer pays", "2"],
  ])("answers %j with the sentence that says it, and cites it", async (question, phrase, label) => {
    const { text, done } = await answer(question, [handbook, faq]);
    expect(text).toContain(phrase);
    expect(text).toContain(`[${label}]`);
    expect(done).toMatchObject({ finishReason: "STOP" });
    expect(done.cited).toContain(label);
  });

  it("quotes word for word, at most three sentences, and nothing of its own", async () => {
    const { text } = await answer("What about leave, notice, hazard, return and carriage?", [handbook, faq]);
    const quotations = text.split(/\s*\[\d\]\s*/u).filter((part) => part !== "");
    expect(quotations.length).toBeLessThanOrEqual(3);
    const all = [handbook, faq].flatMap((passage) => splitSentences(passage.text));
    for (const quotation of quotations) expect(all).toContain(quotation);
  });

  it("does not quote a question back as its answer", async () => {
    const { text } = await answer("How long do I have to return goods?", [faq]);
    expect(text).not.toContain("?");
  });

  it("says plainly that it found nothing when no passage is near", async () => {
    const { text, done } = await answer("What is the capital of Peru?", [{ ...handbook, score: 0.49 }]);
    expect(text).toBe(nothingFound);
    expect(done).toMatchObject({ finishReason: "ABSTAINED", cited: [] });
  });

  it("answers below that when the words of the question stand together in a passage, as for proper names", async () => {
    const plan: Passage = { label: "1", title: "Minutes", score: 0.35, text: "Project Nightjar will be launched on 15 October 2026. The budget stays." };
    expect((await answer("When will Project Nightjar be launched?", [plan])).text).toContain("15 October 2026");
  });

  it.each([
    ["only one of its words is there", "What did Nightjar cost in Peru?", 0.35],
    ["it is one word that is there", "Nightjar?", 0.35],
    ["even the best passage is far off", "When will Project Nightjar be launched?", 0.29],
  ])("but not when %s", async (_when, question, score) => {
    const plan: Passage = { label: "1", title: "Minutes", score, text: "Project Nightjar will be launched on 15 October 2026. The budget stays." };
    expect((await answer(question, [plan])).done.finishReason).toBe("ABSTAINED");
  });

  it("says so too when the tenant has no passages", async () => {
    expect((await answer("Anything?", [])).done.finishReason).toBe("ABSTAINED");
  });

  it.each([1, 3, 10, 20])("keeps to %i tokens and says that it was cut", async (maxTokens) => {
    const { text, done } = await answer("How many days of annual leave does an employee have?", [handbook], { maxTokens });
    expect(done.finishReason).toBe("LENGTH");
    expect(counter.count(text)).toBeLessThanOrEqual(maxTokens + 1);
    expect(done.usage.completionTokens).toBeLessThanOrEqual(maxTokens);
  });

  it("streams in several steps and counts what it read", async () => {
    const { deltas, done } = await answer("What is the notice period?", [handbook, faq]);
    expect(deltas).toBeGreaterThan(1);
    expect(done.usage.promptTokens).toBeGreaterThan(100);
  });

  it("stops when its caller has gone", async () => {
    const gone = new AbortController();
    const events = new EmbeddedExtractive(counter).complete({ model: "m", question: "What is the notice period?", history: [], passages: [handbook], maxTokens: 100, userTag: "t", canary: "c" }, gone.signal);
    await events.next();
    gone.abort(new TypeError("gone"));
    await expect(events.next()).rejects.toThrow("gone");
  });
});

describe("sentences", () => {
  it.each([
    ["Ring Dr. Varnhagen. She helps.", ["Ring Dr. Varnhagen.", "She helps."]],
    ["It costs 12.50 EUR. Pay now!", ["It costs 12.50 EUR.", "Pay now!"]],
    ["# Title\n\n- first item\n- second item", ["Title", "first item", "second item"]],
    ["See e.g. Annex 3. Then ask J. Smith.", ["See e.g. Annex 3.", "Then ask J. Smith."]],
    ["One line\ngoes on here.", ["One line goes on here."]],
    ["\n\n---\n\n", []],
  ])("of %j", (text, sentences) => {
    expect(splitSentences(text)).toEqual(sentences);
  });

  it("are cut where a text has none, and lose no word", () => {
    const long = "word ".repeat(400).trim();
    const sentences = splitSentences(long);
    expect(Math.max(...sentences.map((sentence) => sentence.length))).toBeLessThanOrEqual(500);
    expect(sentences.join(" ")).toBe(long);
  });
});
