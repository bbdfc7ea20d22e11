import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { chunkDocument, chunkTokensMax } from "../../src/retrieval/chunk-document.js";
import { estimateTokens } from "../../src/retrieval/estimate-tokens.js";
import type { Block } from "../../src/retrieval/extract/extracted-document.js";

const word = fc.oneof(fc.string({ minLength: 1, maxLength: 12 }), fc.constantFrom("Rate.", "pays!", "EUR", "本日は晴天なり", "👩‍🚀", "x".repeat(2_000)));
const line = fc.array(word, { minLength: 1, maxLength: 60 }).map((words) => words.join(" ")).filter((text) => text.trim() !== "");
const headings = fc.array(fc.constantFrom("Title", "Scope", "Fees", "Notes"), { maxLength: 3 });
const block: fc.Arbitrary<Block> = fc.oneof(
  fc.record({ kind: fc.constant("TEXT" as const), headings, text: line }),
  fc.record({ kind: fc.constant("LINES" as const), headings, lines: fc.array(line, { minLength: 1, maxLength: 8 }) }),
  fc.record({ kind: fc.constant("TABLE" as const), headings, header: line, rows: fc.array(line, { minLength: 1, maxLength: 12 }) }),
);
const linesOf = (source: Block): readonly string[] => (source.kind === "TEXT" ? [source.text] : source.kind === "LINES" ? source.lines : [source.header, ...source.rows]);
/** How often each character occurs, white space left out. */
function charsOf(texts: readonly string[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const char of texts.join("").replaceAll(/\s+/g, "")) counts.set(char, (counts.get(char) ?? 0) + 1);
  return counts;
}
const words = (text: string): readonly string[] => text.split(/\s+/).filter((part) => part !== "");

const sentence = (n: number): string => `Sentence number ${n} says something about the matter at hand.`;
const paragraph = (from: number, to: number): string => Array.from({ length: to - from }, (_, i) => sentence(from + i)).join(" ");

describe("chunkDocument", () => {
  it("loses no character of any document, and no word that fits a chunk", () => {
    fc.assert(
      fc.property(fc.array(block, { minLength: 1, maxLength: 12 }), (blocks) => {
        const source = blocks.flatMap(linesOf);
        const chunks = chunkDocument({ blocks }).map((chunk) => chunk.text);
        const got = charsOf(chunks);
        for (const [char, count] of charsOf(source)) expect(got.get(char) ?? 0).toBeGreaterThanOrEqual(count);
        for (const text of source.flatMap(words).filter((text) => estimateTokens(text) <= chunkTokensMax)) expect(chunks.some((chunk) => chunk.includes(text))).toBe(true);
      }),
      { numRuns: 150 },
    );
  });

  it("keeps every chunk under the bound, and none empty", () => {
    fc.assert(
      fc.property(fc.array(block, { minLength: 1, maxLength: 12 }), (blocks) => {
        for (const { text } of chunkDocument({ blocks })) {
          expect(text.trim()).not.toBe("");
          expect(estimateTokens(text)).toBeLessThanOrEqual(chunkTokensMax);
          // Half of a surrogate pair would come back as a replacement mark.
          expect(Buffer.from(text).toString()).toBe(text);
        }
      }),
      { numRuns: 150 },
    );
  });

  it("gives the same chunks for the same document", () => {
    fc.assert(
      fc.property(fc.array(block, { minLength: 1, maxLength: 8 }), (blocks) => {
        expect(chunkDocument({ blocks })).toEqual(chunkDocument({ blocks }));
      }),
      { numRuns: 50 },
    );
  });

  it("never mixes top-level sections that are passages of their own", () => {
    const blocks: Block[] = [
      { kind: "TEXT", headings: ["Handbook", "Leave"], text: paragraph(0, 5) },
      { kind: "TEXT", headings: ["Handbook", "Travel"], text: paragraph(5, 10) },
    ];
    expect(chunkDocument({ blocks }).map((chunk) => chunk.headings[1])).toEqual(["Leave", "Travel"]);
  });

  it("joins a section of a few words with its neighbour and keeps its heading as text", () => {
    const blocks: Block[] = [
      { kind: "TEXT", headings: ["Handbook", "Leave"], text: paragraph(0, 5) },
      { kind: "TEXT", headings: ["Handbook", "Contact"], text: "Ring 7100." },
    ];
    const [only, ...rest] = chunkDocument({ blocks });
    expect(rest).toEqual([]);
    expect(only?.headings).toEqual(["Handbook"]);
    expect(only?.text).toContain("Contact\nRing 7100.");
  });

  it("overlaps by whole sentences, by no more than a sixth", () => {
    const chunks = chunkDocument({ blocks: [{ kind: "TEXT", headings: [], text: paragraph(0, 60) }] });
    expect(chunks.length).toBeGreaterThan(3);
    for (const [index, chunk] of chunks.slice(1).entries()) {
      const first = /Sentence number \d+ [^.]*\./.exec(chunk.text)?.[0] ?? "";
      expect(chunk.text.startsWith(first)).toBe(true);
      expect(chunks[index]?.text).toContain(first);
    }
    const total = chunks.reduce((sum, chunk) => sum + chunk.text.length, 0);
    expect(total).toBeLessThan(paragraph(0, 60).length * 1.25);
  });

  it("repeats a table's header in every chunk that holds its rows", () => {
    const rows = Array.from({ length: 80 }, (_, n) => `Article ${n} | size ${n} | ${n}.50`);
    const chunks = chunkDocument({ blocks: [{ kind: "TABLE", headings: ["Prices"], header: "Article | Size | EUR", rows }] });
    expect(chunks.length).toBeGreaterThan(1);
    for (const chunk of chunks) expect(chunk.text.startsWith("Article | Size | EUR\n")).toBe(true);
  });
});
