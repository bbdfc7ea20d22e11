import { afterAll, describe, expect, it } from "vitest";
import { DocumentReader } from "../../src/retrieval/read/document-reader.js";
import { pdfOf } from "../support/pdf-of.js";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const never = new AbortController().signal;

describe("DocumentReader", () => {
  const reader = new DocumentReader();
  afterAll(() => reader.close());

  it("prepares chunks in another thread, with terms and with the title in what is embedded", async () => {
    const [chunk, ...rest] = await reader.prepare("Gate rules", bytes("# Times\n\nThe gate closes at nine."), "text/markdown", never);
    expect(rest).toEqual([]);
    expect(chunk).toMatchObject({ ordinal: 0, headings: ["Times"], text: "The gate closes at nine.", embeddedText: "Gate rules. Times\nThe gate closes at nine." });
    expect(chunk?.terms).toContain("gate");
    expect(chunk?.length).toBe(chunk?.termCounts.reduce((sum, count) => sum + count, 0));
  });

  it.each([
    ["an encrypted PDF", pdfOf({ text: "secret", encrypted: true }), "application/pdf" as const],
    ["a broken PDF", bytes("%PDF-1.7 and nothing"), "application/pdf" as const],
    ["bytes that are not UTF-8", Uint8Array.from([0xc3, 0x28]), "text/plain" as const],
    ["an empty text", bytes("  "), "text/html" as const],
  ])("refuses %s before and while reading, as BAD_USER_INPUT", async (_name, content, mediaType) => {
    await expect(reader.probe(content, mediaType, never)).rejects.toMatchObject({ code: "BAD_USER_INPUT", details: { field: "content" } });
    await expect(reader.prepare("t", content, mediaType, never)).rejects.toMatchObject({ code: "BAD_USER_INPUT" });
  });

  it("never answers a document that failed with chunks of the one before", async () => {
    await reader.prepare("first", bytes("The first document."), "text/plain", never);
    await expect(reader.prepare("second", bytes("\n"), "text/plain", never)).rejects.toMatchObject({ code: "BAD_USER_INPUT" });
    const [third] = await reader.prepare("third", bytes("The third document."), "text/plain", never);
    expect(third?.text).toBe("The third document.");
  });

  it("keeps documents that are read at the same time apart", async () => {
    const texts = Array.from({ length: 6 }, (_, n) => `Document number ${n}.`);
    const read = await Promise.all(texts.map((text) => reader.prepare(text, bytes(text), "text/plain", never)));
    expect(read.map((chunks) => chunks[0]?.text)).toEqual(texts);
  });

  it("reads a text of 2 MB without holding up this thread", async () => {
    let longest = 0;
    let last = performance.now();
    const timer = setInterval(() => {
      longest = Math.max(longest, performance.now() - last - 10);
      last = performance.now();
    }, 10);
    const text = "Every sentence of this long book is much like the one before it. ".repeat(31_000);
    const chunks = await reader.prepare("book", bytes(text), "text/plain", never);
    clearInterval(timer);
    expect(chunks.length).toBeGreaterThan(2_000);
    // Taking over some 5 MB of chunks is what is left to this thread.
    expect(longest).toBeLessThan(1_000);
  });

  it("refuses a text of 10 MB", async () => {
    await expect(reader.prepare("t", bytes("words ".repeat(1_700_000)), "text/plain", never)).rejects.toMatchObject({ code: "BAD_USER_INPUT" });
  });

  it("stops for a request that is over, with its reason", async () => {
    const stop = new AbortController();
    const reading = reader.prepare("t", bytes("words and more ".repeat(200_000)), "text/plain", stop.signal);
    stop.abort(new RangeError("gone"));
    await expect(reading).rejects.toThrow("gone");
  });
});

describe("DocumentReader under attack", () => {
  it("kills a thread that takes too long, and reads the next document", async () => {
    const reader = new DocumentReader({ readMsMax: 1, heapMbMax: 384 });
    await expect(reader.prepare("t", bytes("word ".repeat(900_000)), "text/plain", never)).rejects.toMatchObject({ code: "BAD_USER_INPUT" });
    await reader.close();
  });

  it("survives a document that takes too much memory", async () => {
    const reader = new DocumentReader({ readMsMax: 60_000, heapMbMax: 24 });
    await expect(reader.prepare("t", bytes("A. ".repeat(1_600_000)), "text/plain", never)).rejects.toMatchObject({ code: "BAD_USER_INPUT", message: expect.stringContaining("memory") });
    await reader.close();
  });
});
