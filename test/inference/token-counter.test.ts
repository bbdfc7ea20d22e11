import { beforeAll, describe, expect, it } from "vitest";
import { LazyTokenCounter, loadTokenCounter, type TokenCounter } from "../../src/inference/token-counter.js";

let counter: TokenCounter;
beforeAll(async () => {
  counter = await loadTokenCounter();
});

describe("counting tokens", () => {
  it.each([
    ["", 0],
    ["hello world", 2],
    ["The notice period is six weeks.", 7],
  ])("of %j gives %i", (text, tokens) => {
    expect(counter.count(text)).toBe(tokens);
  });

  it("takes a special token in a user's text for text, not for a command", () => {
    expect(counter.count("<|endoftext|>")).toBeGreaterThan(1);
  });

  it.each([
    ["one letter", "a".repeat(100_000)],
    ["Chinese", "漢字".repeat(20_000)],
    ["emoji", "👩‍👩‍👧".repeat(5_000)],
    ["blanks", " ".repeat(100_000)],
  ])("of a very long run of %s ends soon", (_what, text) => {
    const before = process.cpuUsage();
    expect(counter.count(text)).toBeGreaterThan(0);
    // Processor time: other suites run on the same cores.
    expect(process.cpuUsage(before).user / 1_000).toBeLessThan(3_000);
  });

  it("differs by little from one piece where prose is cut into pieces", () => {
    const sentence = "Every full-time employee has 29 days of annual leave, plus the public holidays of the site. ";
    const single = counter.count(sentence.slice(0, -1));
    expect(Math.abs(counter.count(sentence.repeat(50).trimEnd()) - 50 * single)).toBeLessThanOrEqual(30);
  });

  it("never counts less before the tokenizer is there than after", async () => {
    const texts = ["How many days of annual leave do I have?", "| M8 | 12.40 EUR | A2-70 |\n".repeat(20), "Überstunden müssen genehmigt werden", "漢字かな", "const x = { a: 1 };"];
    const lazy = new LazyTokenCounter();
    const bounds = texts.map((text) => lazy.count(text));
    await lazy.load();
    texts.forEach((text, i) => expect(bounds[i]).toBeGreaterThanOrEqual(lazy.count(text)));
  });
});
