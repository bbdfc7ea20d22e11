import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { TestServer } from "./server.js";

describe("bad input", () => {
  let server: TestServer;
  const admin = { tenant: "gum" } as const;

  beforeAll(async () => {
    server = await TestServer.start();
    await server.createTenant("gum", "PRO");
  });
  afterAll(() => server.stop());

  const documents = async (): Promise<unknown> => (await server.must(admin, "{ documents { nodes { id } } }"))["documents"]?.["nodes"];

  test.each([
    ["an empty document", { title: "x", content: "", mediaType: "TEXT" }],
    ["a document of white space", { title: "x", content: " \n\t ", mediaType: "TEXT" }],
    ["both kinds of content", { title: "x", content: "a", contentBase64: "YQ==", mediaType: "TEXT" }],
    ["neither kind of content", { title: "x", mediaType: "TEXT" }],
    ["an empty title", { title: "", content: "a", mediaType: "TEXT" }],
    ["a title of 1,000 characters", { title: "x".repeat(1_000), content: "a", mediaType: "TEXT" }],
    ["broken base64", { title: "x", contentBase64: "%%%", mediaType: "PDF" }],
    ["100 tags", { title: "x", content: "a", mediaType: "TEXT", tags: Array.from({ length: 100 }, (_, index) => `t${index}`) }],
  ])("%s is BAD_USER_INPUT at once, with what was expected and nothing written", async (_name, input) => {
    const answer = await server.ask(admin, "mutation ($input: IngestDocumentInput!) { ingestDocument(input: $input) { document { id } } }", { input });
    expect(answer.errors[0]?.extensions["code"]).toBe("BAD_USER_INPUT");
    expect(answer.errors[0]?.message).toMatch(/expected/);
    expect(answer.text).not.toMatch(/stack|node_modules|at async|\/src\//);
    expect(await documents()).toEqual([]);
  });

  test.each([
    ["a broken PDF", { contentBase64: Buffer.from("%PDF-1.7 but no more").toString("base64"), mediaType: "PDF" }],
    ["text that is not UTF-8", { contentBase64: Buffer.from([0x61, 0xff, 0xfe, 0x62]).toString("base64"), mediaType: "TEXT" }],
  ])("%s ends refused or FAILED with a stable code, and answers nothing", async (_name, content) => {
    const answer = await server.ask(admin, "mutation ($input: IngestDocumentInput!) { ingestDocument(input: $input) { document { id } } }", { input: { title: "Broken", ...content } });
    const refused = answer.errors[0]?.extensions["code"];
    if (refused !== undefined) return expect(refused).toBe("BAD_USER_INPUT");
    const id = String(answer.data["ingestDocument"]?.["document"]?.["id"]);
    let document = (await server.must(admin, "query ($id: ID!) { document(id: $id) { state failure { code message } } }", { id }))["document"];
    while (String(document?.["state"]) !== "FAILED") {
      expect(document?.["state"]).not.toBe("READY");
      await new Promise((resolve) => setTimeout(resolve, 50));
      document = (await server.must(admin, "query ($id: ID!) { document(id: $id) { state failure { code message } } }", { id }))["document"];
    }
    expect(document?.["failure"]?.["code"]).toBe("BAD_USER_INPUT");
    await server.must(admin, "mutation ($input: DeleteDocumentInput!) { deleteDocument(input: $input) { documentId } }", { input: { documentId: id } });
  });

  test.each([
    ["an empty question", ""],
    ["a question of 100,000 characters", "why ".repeat(25_000)],
  ])("%s is BAD_USER_INPUT and costs nothing", async (_name, question) => {
    const tokens = async (): Promise<unknown> => (await server.must(admin, "{ quota { tokens { remaining } } }"))["quota"];
    const before = await tokens();
    const answer = await server.ask(admin, "mutation ($input: AskInput!) { ask(input: $input) { __typename } }", { input: { question } });
    expect(answer.errors[0]?.extensions["code"]).toBe("BAD_USER_INPUT");
    expect(await tokens()).toEqual(before);
  });

  test("a document over the tier's size is refused before it is stored", async () => {
    const answer = await server.ask(admin, "mutation ($input: IngestDocumentInput!) { ingestDocument(input: $input) { document { id } } }", { input: { title: "x", content: "a".repeat(10_000_000), mediaType: "TEXT" } });
    expect([413, 200]).toContain(answer.status);
    expect(["BAD_USER_INPUT", "LIMIT_EXCEEDED"]).toContain(answer.errors[0]?.extensions["code"]);
    expect(await documents()).toEqual([]);
  });

  test.each([
    ["an unknown field", "{ viewer { password } }", 400],
    ["101 aliases", `{ ${Array.from({ length: 101 }, (_, index) => `a${index}: __typename`).join(" ")} }`, 400],
    ["a depth of 50", `{ viewer ${"{ tenant ".repeat(50)} { id } ${"}".repeat(50)} }`, 400],
    ["a query of 1 MB", `{ viewer { tier } } # ${"x".repeat(1_100_000)}`, 413],
  ])("%s is refused before anything runs", async (_name, query, status) => {
    const answer = await server.ask(admin, query);
    expect(answer.status).toBe(status);
    expect(answer.data).toEqual({});
    expect(answer.errors[0]?.extensions["code"]).toMatch(/^(BAD_USER_INPUT|QUERY_TOO_COMPLEX)$/);
    expect(answer.text).not.toMatch(/Did you mean|stacktrace/);
  });

  test("no token, a foreign key's token and a tenant that does not exist are 401", async () => {
    expect((await server.ask(undefined, "{ viewer { tier } }")).status).toBe(401);
    const [head = "", body = ""] = (await server.token(admin)).split(".");
    expect((await server.ask({ bearer: `${head}.${body}.${"A".repeat(86)}` }, "{ viewer { tier } }")).status).toBe(401);
    expect((await server.ask({ tenant: "nobody" }, "{ viewer { tier } }")).status).toBe(401);
  });

  test("a hostile tenant id cannot be created", async () => {
    for (const id of ["", "A", "Acme", "acme_", "../x", "$ne", "__proto__", "a".repeat(27), "аcme"]) {
      const answer = await server.ask("operator", "mutation ($input: CreateTenantInput!) { createTenant(input: $input) { tenant { id } } }", { input: { id, name: "x", tier: "FREE" } });
      expect(answer.errors[0]?.extensions["code"]).toBe("BAD_USER_INPUT");
    }
  });
});
