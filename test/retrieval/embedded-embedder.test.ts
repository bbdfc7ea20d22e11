import { afterAll, afterEach, describe, expect, it } from "vitest";
import { EmbeddedEmbedder } from "../../src/retrieval/embed/embedded-embedder.js";
import { textWindows, windowTokensMax } from "../../src/retrieval/embed/text-windows.js";

const never = new AbortController().signal;
const dot = (a: Float32Array | undefined, b: Float32Array | undefined): number => (a ?? new Float32Array()).reduce((sum, value, i) => sum + value * (b?.[i] ?? 0), 0);

describe("the embedded model", () => {
  const embedder = new EmbeddedEmbedder();
  afterAll(() => embedder.close());

  it("puts a paraphrase nearer than another subject, in vectors of length 1", async () => {
    const { vectors, tokens } = await embedder.embed(["How many days of holiday do I get?", "Employees have 29 days of annual leave", "Hydraulic wrenches are checked each morning"], "QUESTION", never);
    const [question, leave, wrench] = vectors;
    for (const vector of vectors) {
      expect(vector).toHaveLength(embedder.dimensions);
      expect(dot(vector, vector)).toBeCloseTo(1, 4);
    }
    expect(dot(question, leave)).toBeGreaterThan(dot(question, wrench) + 0.1);
    expect(tokens).toBeGreaterThan(15);
  });

  it("gives a text the same vector in both lanes", async () => {
    const [a, b] = await Promise.all([embedder.embed(["the same text"], "QUESTION", never), embedder.embed(["the same text"], "INGEST", never)]);
    expect(dot(a.vectors[0], b.vectors[0])).toBeCloseTo(1, 4);
  });

  it("sees the end of a text that is longer than the model's window", async () => {
    const start = "The cold store lost power for forty minutes on Tuesday night. ".repeat(14);
    const { vectors } = await embedder.embed([`${start} Bananas are yellow fruit.`, `${start} Employees get thirty days of leave.`], "INGEST", never);
    expect(dot(vectors[0], vectors[1])).toBeLessThan(0.999);
  });

  it("answers a question while the other thread ingests, in the time of a question", async () => {
    await embedder.embed(["warm"], "QUESTION", never);
    const stop = new AbortController();
    const ingesting = embedder.embed(Array.from({ length: 200 }, (_, n) => `Passage ${n} of a long document. `.repeat(20)), "INGEST", stop.signal);
    ingesting.catch(() => undefined);
    const startedAt = performance.now();
    await embedder.embed(["What is the restocking fee?"], "QUESTION", never);
    // All of the ingest takes over ten seconds; on a busy machine the question takes some 100 ms.
    expect(performance.now() - startedAt).toBeLessThan(3_000);
    stop.abort(new RangeError("enough"));
    await expect(ingesting).rejects.toThrow("enough");
  });

  it("refuses a text without words", async () => {
    await expect(embedder.embed(["fine", "  \n"], "QUESTION", never)).rejects.toMatchObject({ code: "BAD_USER_INPUT" });
  });
});

describe("the embedding thread", () => {
  let embedder: EmbeddedEmbedder | undefined;
  const open = (): EmbeddedEmbedder => (embedder = new EmbeddedEmbedder(undefined, "../../../test/support/crashing.worker"));
  afterEach(() => embedder?.close());

  it("fails what it had with UPSTREAM_FAILED when it dies, and serves the next", async () => {
    const embedding = open();
    await expect(embedding.embed(["crash"], "QUESTION", never)).rejects.toMatchObject({ code: "UPSTREAM_FAILED" });
    const { tokens } = await embedding.embed(["after"], "QUESTION", never);
    expect(tokens).toBe(5);
  });

  it("does not try for ever a model that only dies", async () => {
    const embedding = open();
    const outcomes = await Promise.allSettled(Array.from({ length: 5 }, () => embedding.embed(["crash"], "QUESTION", never)));
    expect(outcomes.map((outcome) => outcome.status)).toEqual(Array.from({ length: 5 }, () => "rejected"));
    await expect(embedding.embed(["after"], "QUESTION", never)).rejects.toMatchObject({ code: "UPSTREAM_FAILED" });
  });

  it("tells a text's failure to its request alone", async () => {
    const embedding = open();
    const [failed, fine] = await Promise.allSettled([embedding.embed(["fail"], "QUESTION", never), embedding.embed(["fine"], "QUESTION", never)]);
    expect(failed).toMatchObject({ status: "rejected", reason: { code: "UPSTREAM_FAILED" } });
    expect(fine.status).toBe("fulfilled");
  });

  it("drops the waiting texts of a request that is over, and keeps the order of the others", async () => {
    const embedding = open();
    await embedding.embed(["first"], "QUESTION", never);
    const stop = new AbortController();
    const slow = embedding.embed(["slow"], "QUESTION", never);
    const dropped = embedding.embed(Array.from({ length: 100 }, () => "slow"), "QUESTION", stop.signal);
    const kept = embedding.embed(["kept"], "QUESTION", never);
    stop.abort(new RangeError("client gone"));
    await expect(dropped).rejects.toThrow("client gone");
    const startedAt = performance.now();
    await slow;
    expect((await kept).tokens).toBe(4);
    expect(performance.now() - startedAt).toBeLessThan(5_000);
  });

  it("refuses work once it is closed", async () => {
    const embedding = open();
    const pending = embedding.embed(["slow"], "QUESTION", never);
    await Promise.all([expect(pending).rejects.toMatchObject({ code: "SERVICE_UNAVAILABLE" }), embedding.close()]);
    await expect(embedding.embed(["late"], "QUESTION", never)).rejects.toMatchObject({ code: "SERVICE_UNAVAILABLE" });
  });
});

describe("textWindows", () => {
  it("keeps every word, in order, in windows that fit and are about equal", () => {
    const words = Array.from({ length: 500 }, (_, n) => `word${n}`);
    const windows = textWindows(words.join("  \n"), () => 2);
    expect(windows.join(" ").split(" ")).toEqual(words);
    const sizes = windows.map((window) => window.split(" ").length * 2);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(windowTokensMax);
    expect(Math.min(...sizes)).toBeGreaterThan(windowTokensMax / 2);
  });
});
