import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { badUserInput, conflict, internal, limitExceeded } from "../../src/kernel/errors.js";
import { refusal } from "../../src/kernel/refusal.js";
import { codeOf, startHarness, type Harness } from "./harness.js";

const ask = 'mutation { ask(input: { question: "q" }) { __typename ... on Refusal { code message retryAfterMs limit } } }';
let harness: Harness;
let token: string;
beforeEach(async () => {
  harness = await startHarness({ requestDeadlineMs: 400 });
  token = await harness.member();
});
afterEach(() => harness.gateway.drain());

describe("what a caller sees of an error", () => {
  test.each([
    ["a library's", new TypeError("connect ECONNREFUSED mongodb://root:hunter2@db")],
    ["one of ours that is not for callers", internal("the fence document is gone", new Error("hunter2"))],
    ["something that is no error", "hunter2"],
  ])("is INTERNAL with a request id and nothing else, for %s", async (_name, thrown) => {
    harness.services.answer = () => Promise.reject(thrown);
    const answer = await harness.query(ask, { token });
    expect(answer.status).toBe(200);
    expect(answer.errors).toEqual([{ message: "Internal error", path: ["ask"], locations: [{ line: 1, column: 12 }], extensions: { code: "INTERNAL", requestId: answer.headers.get("x-request-id") } }]);
    expect(answer.text).not.toMatch(/hunter2|stack|fence|node_modules/);
    const logged = harness.telemetry.logs.find(({ level }) => level === "error");
    expect(logged?.fields).toMatchObject({ requestId: answer.headers.get("x-request-id"), path: "ask" });
  });

  test("is the catalogue's code with its details, for one thrown on purpose", async () => {
    harness.services.answer = () => Promise.reject(limitExceeded("maxQuestionChars", "9000 characters", "at most 8000"));
    expect((await harness.query(ask, { token })).errors[0]).toMatchObject({
      message: "maxQuestionChars: got 9000 characters, expected at most 8000",
      extensions: { code: "LIMIT_EXCEEDED", limit: "maxQuestionChars", got: "9000 characters", expected: "at most 8000" },
    });
    for (const [error, code] of [[badUserInput("x", "y", "z"), "BAD_USER_INPUT"], [conflict("Busy"), "CONFLICT"]] as const) {
      harness.services.answer = () => Promise.reject(error);
      expect(codeOf(await harness.query(ask, { token }))).toBe(code);
    }
  });

  test("does not void a neighbour's answer", async () => {
    harness.services.answer = () => Promise.reject(new Error("x"));
    const answer = await harness.query('mutation { ask(input: { question: "q" }) { __typename } startConversation { conversation { title } } }', { token });
    expect(answer.data).toEqual({ ask: null, startConversation: { conversation: { title: "New conversation" } } });
  });

  test("is a value of the union when it is a refusal, and an error of the field for search", async () => {
    harness.services.answer = () => Promise.resolve(refusal("OVERLOADED", "Queue too long", { retryAfterMs: 70 }));
    const asked = await harness.query(ask, { token });
    expect([asked.errors, asked.data]).toEqual([[], { ask: { __typename: "Refusal", code: "OVERLOADED", message: "Queue too long", retryAfterMs: 70, limit: null } }]);
    const searched = await harness.query('{ search(input: { query: "refuse me" }) { hits { score } } }', { token });
    expect(searched.errors[0]).toMatchObject({ message: "Too many tokens", extensions: { code: "RATE_LIMITED", retryAfterMs: 1_500, limit: "tokensPerMinute" } });
  });
});

test("a foreign id, a missing id and no id at all get the same answer, by every field that takes one", async () => {
  const foreign = harness.services.addDocument("globex", "theirs").id;
  const ids = [foreign, "doc_AAAAAAAAAAAAAAAAAAAA", "x", "'; drop", "../../etc", "__proto__"];
  const bearer = await harness.admin();
  for (const field of ["document(id: ID) { id }", "deleteDocument(input: { documentId: ID }) { documentId }", "retryIngestion(input: { documentId: ID }) { document { id } }"]) {
    const operation = field.startsWith("document") ? "query" : "mutation";
    const texts = await Promise.all(ids.map(async (id) => (await harness.query(`${operation} { f: ${field.replace("ID", JSON.stringify(id))} }`, { token: bearer })).text.replaceAll(/"column":\d+/g, "")));
    expect(texts[0]).toContain('"message":"Document not found"');
    expect(new Set(texts).size).toBe(1);
  }
  expect(harness.services.documents).toHaveLength(1);
});

test("twenty documents by id are one read", async () => {
  const rows = Array.from({ length: 20 }, (_unused, at) => harness.services.addDocument("acme", `Document ${at}`));
  const answer = await harness.query(`{ ${rows.map((row, at) => `d${at}: document(id: "${row.id}") { title }`).join(" ")} }`, { token });
  expect(answer.data).toMatchObject({ d0: { title: "Document 0" }, d19: { title: "Document 19" } });
  expect(harness.services.documentReads).toBe(1);
});

describe("the deadline", () => {
  test("ends the request at its time, for a use case that listens", async () => {
    harness.services.answers.run = (_context, deadline) => new Promise((_resolve, reject) => deadline.signal.addEventListener("abort", () => reject(deadline.signal.reason)));
    const answer = await harness.query(ask, { token });
    expect([answer.status, codeOf(answer), answer.errors[0]?.extensions.retryable]).toEqual([200, "DEADLINE_EXCEEDED", true]);
  });

  test("ends it a second later for one that does not", async () => {
    harness.services.answers.run = () => new Promise(() => undefined);
    const startedAt = performance.now();
    const answer = await harness.query(ask, { token });
    expect([answer.status, codeOf(answer)]).toEqual([504, "DEADLINE_EXCEEDED"]);
    expect(performance.now() - startedAt).toBeLessThan(3_000);
  });

  test("is aborted when the client goes away", async () => {
    const gone = new AbortController();
    const aborted = new Promise<unknown>((resolve) => {
      harness.services.answers.run = (_context, deadline) => {
        deadline.signal.addEventListener("abort", () => resolve(deadline.signal.reason));
        gone.abort();
        return new Promise(() => undefined);
      };
    });
    await expect(fetch(`${harness.url}/graphql`, { method: "POST", signal: gone.signal, headers: { "content-type": "application/json", authorization: `Bearer ${token}` }, body: JSON.stringify({ query: ask }) })).rejects.toThrow();
    expect(await aborted).toMatchObject({ message: "The client went away before the end" });
  });
});

describe("inputs", () => {
  const ingest = "mutation ($i: IngestDocumentInput!) { ingestDocument(input: $i) { document { title mediaType tags bytes } } }";
  test("a document comes as text or as base64, trimmed and with each tag once", async () => {
    const bearer = await harness.admin();
    const text = await harness.query(ingest, { token: bearer, variables: { i: { title: " Note ", mediaType: "TEXT", content: "grün", tags: ["a", "a"] } } });
    expect(text.data).toEqual({ ingestDocument: { document: { title: "Note", mediaType: "TEXT", tags: ["a"], bytes: 5 } } });
    const pdf = await harness.query(ingest, { token: bearer, variables: { i: { title: "P", mediaType: "PDF", contentBase64: "JVBERg==" } } });
    expect(pdf.data).toEqual({ ingestDocument: { document: { title: "P", mediaType: "PDF", tags: [], bytes: 4 } } });
  });

  test.each([
    ["no content", { title: "T", mediaType: "TEXT" }], ["both contents", { title: "T", mediaType: "TEXT", content: "a", contentBase64: "YQ==" }],
    ["text for a PDF", { title: "T", mediaType: "PDF", content: "a" }], ["broken base64", { title: "T", mediaType: "PDF", contentBase64: "JV BERg" }],
    ["an empty title", { title: "  ", mediaType: "TEXT", content: "a" }], ["21 tags", { title: "T", mediaType: "TEXT", content: "a", tags: Array.from({ length: 21 }, (_unused, at) => `t${at}`) }],
    ["an empty tag", { title: "T", mediaType: "TEXT", content: "a", tags: [""] }],
  ])("a document with %s is BAD_USER_INPUT, and nothing is written", async (_name, i) => {
    const answer = await harness.query(ingest, { token: await harness.admin(), variables: { i } });
    expect([codeOf(answer), harness.services.documents.length]).toEqual(["BAD_USER_INPUT", 0]);
  });

  test("operators and paths in a filter never reach the store", async () => {
    for (const filter of ['{ titleContains: "" }', '{ tags: [""] }']) expect(codeOf(await harness.query(`{ documents(filter: ${filter}) { nodes { id } } }`, { token }))).toBe("BAD_USER_INPUT");
    for (const filter of [{ $ne: "" }, { tenant_id: "globex" }, { titleContains: { $regex: "." } }, { "tags.0": "x" }]) {
      const answer = await harness.query("query ($f: DocumentFilter) { documents(filter: $f) { nodes { id } } }", { token, variables: { f: filter } });
      expect([answer.status, codeOf(answer)]).toEqual([400, "BAD_USER_INPUT"]);
    }
  });
});
