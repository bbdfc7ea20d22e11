import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { listOf, TestServer, type Json } from "./server.js";

const askText = `mutation ($input: AskInput!) { ask(input: $input) {
  __typename
  ... on Answer { id text finishReason model cached citations { chunkId snippet score document { id title } } usage { promptTokens completionTokens costMicroUsd cost } latency { totalMs stages { name ms } } conversation { id } }
  ... on Refusal { code message retryAfterMs limit }
} }`;

const birch = "# Leave\n\nA full-time employee of Birch has 31 days of annual leave. Unused days expire on 31 March of the following year.\n\n# Returns\n\nGoods may be returned to Birch within 45 days of delivery. Project Larkspur has its own terms.";
const cedar = "# Leave\n\nA full-time employee of Cedar has 24 days of annual leave.\n\n# Returns\n\nGoods may be returned to Cedar within 10 days of delivery. Project Quince has its own terms.";

function callsOf(report: Json): number {
  return Number(listOf(report["groups"]).find((group) => String(group["key"]) === "ask")?.["total"]?.["calls"] ?? 0);
}

describe("a question over GraphQL", () => {
  let server: TestServer;
  let birchDocument: string;
  const birchAdmin = { tenant: "birch" } as const;
  const cedarAdmin = { tenant: "cedar" } as const;

  beforeAll(async () => {
    server = await TestServer.start();
    await server.createTenant("birch", "PRO");
    await server.createTenant("cedar", "ENTERPRISE");
    birchDocument = await server.ingest(birchAdmin, "Birch handbook", birch);
    await server.ingest(cedarAdmin, "Cedar handbook", cedar);
  });
  afterAll(() => server.stop());

  test("is answered from the tenant's own document, cited, counted and billed", async () => {
    const before = (await server.must(birchAdmin, "{ quota { requests { limit remaining } tokens { limit remaining reserved } } }"))["quota"] as Json;
    const { ask } = await server.must(birchAdmin, askText, { input: { question: "How many days of annual leave does a full-time employee have?" } });
    expect(ask).toMatchObject({ __typename: "Answer", finishReason: "STOP", model: "embedded-extractive", cached: false });
    expect(ask?.["text"]).toContain("31 days of annual leave");
    expect(ask?.["citations"]?.[0]).toMatchObject({ document: { id: birchDocument, title: "Birch handbook" } });
    expect(ask?.["usage"]?.["costMicroUsd"]).toBeGreaterThan(0);
    const stages = listOf(ask?.["latency"]?.["stages"]);
    expect(stages.map((stage) => stage["name"])).toEqual(expect.arrayContaining(["guard", "embed", "search", "queue_wait", "first_token", "stream", "settle"]));
    const after = (await server.must(birchAdmin, "{ quota { requests { limit remaining } tokens { limit remaining reserved } } }"))["quota"] as Json;
    const spent = Number(ask?.["usage"]?.["promptTokens"]) + Number(ask?.["usage"]?.["completionTokens"]);
    expect(Number(before["tokens"]?.["remaining"]) - Number(after["tokens"]?.["remaining"])).toBe(spent);
    expect(after["tokens"]?.["reserved"]).toBe(0);
    expect(Number(before["requests"]?.["remaining"]) - Number(after["requests"]?.["remaining"])).toBe(2);
  });

  test("gets another answer in another tenant, in the pool and in a silo alike", async () => {
    const inCedar = await server.must(cedarAdmin, askText, { input: { question: "How many days of annual leave does a full-time employee have?" } });
    expect(inCedar["ask"]?.["text"]).toContain("24 days");
    expect(JSON.stringify(inCedar)).not.toMatch(/Birch|31 days|Larkspur/);
    const viewer = await server.must(cedarAdmin, "{ viewer { placement tier tenant { id } roles user } }");
    expect(viewer["viewer"]).toEqual({ placement: "SILO", tier: "ENTERPRISE", tenant: { id: "cedar" }, roles: ["ADMIN"], user: "anna" });
  });

  test("is in a response that nothing between may keep, and one body gets each tenant its own (A28)", async () => {
    const answers = await Promise.all([birchAdmin, cedarAdmin].map((admin) => server.ask(admin, "{ viewer { tenant { id } } documents { nodes { title } } }")));
    expect(answers.map(({ headers, data }) => [headers.get("cache-control"), headers.get("etag"), data["viewer"]?.["tenant"]?.["id"], data["documents"]?.["nodes"]])).toEqual([
      ["no-store", null, "birch", [{ title: "Birch handbook" }]],
      ["no-store", null, "cedar", [{ title: "Cedar handbook" }]],
    ]);
  });

  test("that the documents do not answer is said to be unanswered", async () => {
    const { ask } = await server.must(birchAdmin, askText, { input: { question: "What is the boiling point of tungsten carbide on Jupiter?" } });
    expect(ask).toMatchObject({ finishReason: "ABSTAINED", citations: [] });
  });

  test.each(["VECTOR", "TEXT", "HYBRID"])("search in mode %s finds the tenant's passages and no other's", async (mode) => {
    const { search } = await server.must(birchAdmin, "query ($input: SearchInput!) { search(input: $input) { mode hits { score snippet document { id } } } }", { input: { query: "return goods within days of delivery", mode } });
    const hits = listOf(search?.["hits"]);
    expect(hits.length).toBeGreaterThan(0);
    for (const hit of hits) expect(hit["document"]?.["id"]).toBe(birchDocument);
  });

  test("a citation and a hit open their passage where it stands, in the pool and in a silo; any other id is as missing as one that never was", async () => {
    const open = "query ($id: ID!) { passage(id: $id) { id ordinal headings text before after document { id title } } }";
    const opened: Json[] = [];
    for (const admin of [birchAdmin, cedarAdmin]) {
      const { ask } = await server.must(admin, askText, { input: { question: "Within how many days of delivery may goods be returned?", skipCache: true } });
      const { chunkId, document } = (ask?.["citations"]?.[0] ?? {}) as Json;
      const { passage } = await server.must(admin, open, { id: chunkId });
      expect(passage).toMatchObject({ id: chunkId, document, text: expect.stringContaining("may be returned") });
      const { search } = await server.must(admin, 'query { search(input: { query: "days of annual leave" }) { hits { chunkId ordinal headings snippet } } }');
      const hit = listOf(search?.["hits"])[0] as Json;
      expect((await server.must(admin, open, { id: hit["chunkId"] }))["passage"]).toMatchObject({ id: hit["chunkId"], ordinal: hit["ordinal"], headings: hit["headings"], text: hit["snippet"] });
      opened.push(passage as Json);
    }
    const [birchs, cedars] = opened;
    const gone = await server.ingest(birchAdmin, "Short-lived", "The colour of the cellar door is magenta.");
    const { search } = await server.must(birchAdmin, "query ($id: ID!) { search(input: { query: \"colour of the cellar door\", filter: { documentIds: [$id] } }) { hits { chunkId } } }", { id: gone });
    const stale = listOf(search?.["hits"])[0]?.["chunkId"];
    await server.must(birchAdmin, open, { id: stale });
    await server.must(birchAdmin, "mutation ($input: DeleteDocumentInput!) { deleteDocument(input: $input) { documentId } }", { input: { documentId: gone } });
    const missing = await Promise.all([
      server.ask(birchAdmin, open, { id: cedars?.["id"] }),
      server.ask(cedarAdmin, open, { id: birchs?.["id"] }),
      server.ask(birchAdmin, open, { id: stale }),
      server.ask(birchAdmin, open, { id: "chk_AAAAAAAAAAAAAAAAAAAA" }),
      server.ask(birchAdmin, open, { id: birchDocument }),
      server.ask(birchAdmin, open, { id: "../../etc/passwd" }),
    ]);
    expect(new Set(missing.map(({ status, text }) => `${status} ${text}`)).size).toBe(1);
    expect(missing[0]?.errors[0]).toMatchObject({ message: "Passage not found", extensions: { code: "NOT_FOUND" } });
  });

  test("writes one ledger row a model call, which the usage report sums by operation", async () => {
    const usage = async (): Promise<Json> => (await server.must(birchAdmin, "{ usage(input: { groupBy: OPERATION }) { groups { key total { calls promptTokens completionTokens costMicroUsd cost } } total { calls costMicroUsd } } }"))["usage"] as Json;
    const before = await usage();
    await server.must(birchAdmin, askText, { input: { question: "When do unused days of leave expire?" } });
    // One for the question's embedding, one for the completion.
    expect(callsOf(await usage()) - callsOf(before)).toBe(2);
  });

  test("continues a conversation of the same user, which another user of the tenant cannot see", async () => {
    const started = await server.must(birchAdmin, 'mutation { startConversation(input: { title: "Leave" }) { conversation { id } } }');
    const conversationId = String(started["startConversation"]?.["conversation"]?.["id"]);
    await server.must(birchAdmin, askText, { input: { question: "When do unused days of leave expire?", conversationId } });
    const { conversation } = await server.must(birchAdmin, "query ($id: ID!) { conversation(id: $id) { title messages { nodes { question answer } } } }", { id: conversationId });
    expect(conversation?.["messages"]?.["nodes"]?.[0]).toMatchObject({ question: "When do unused days of leave expire?", answer: expect.stringContaining("31 March") });
    const other = await server.ask({ tenant: "birch", user: "bert" }, "query ($id: ID!) { conversation(id: $id) { title } }", { id: conversationId });
    expect(other.errors[0]?.extensions["code"]).toBe("NOT_FOUND");
    const cleared = await server.must(birchAdmin, "mutation ($input: ClearConversationInput!) { clearConversation(input: $input) { conversationId } }", { input: { conversationId } });
    expect(cleared["clearConversation"]?.["conversationId"]).toBe(conversationId);
    expect((await server.ask(birchAdmin, askText, { input: { question: "And then?", conversationId } })).errors[0]?.extensions["code"]).toBe("NOT_FOUND");
  });

  test("is never answered from a document that was deleted", async () => {
    const id = await server.ingest(birchAdmin, "Short-lived", "The password of the tea kitchen cupboard is Rooibos.");
    const question = "What is the password of the tea kitchen cupboard?";
    expect((await server.must(birchAdmin, askText, { input: { question } }))["ask"]?.["text"]).toContain("Rooibos");
    // By now it lies in the cache as well, for the tenant's every member and for nobody else.
    expect((await server.must({ ...birchAdmin, user: "mia" }, askText, { input: { question } }))["ask"]).toMatchObject({ cached: true, text: expect.stringContaining("Rooibos"), usage: { completionTokens: 0 } });
    expect((await server.ask(cedarAdmin, askText, { input: { question, cacheSimilarity: 0 } })).text).not.toContain("Rooibos");
    await server.must(birchAdmin, "mutation ($input: DeleteDocumentInput!) { deleteDocument(input: $input) { documentId } }", { input: { documentId: id } });
    const after = await server.ask(birchAdmin, askText, { input: { question } });
    expect(after.text).not.toContain("Rooibos");
    expect((await server.ask(birchAdmin, "query ($id: ID!) { document(id: $id) { id } }", { id })).errors[0]?.extensions["code"]).toBe("NOT_FOUND");
  });

  test("a member may ask and may not ingest, delete or administer", async () => {
    const member = { tenant: "birch", roles: ["member"], user: "mia" } as const;
    expect((await server.must(member, askText, { input: { question: "How many days of annual leave does an employee have?" } }))["ask"]?.["__typename"]).toBe("Answer");
    for (const denied of [
      'mutation { ingestDocument(input: { title: "x", content: "y", mediaType: TEXT }) { document { id } } }',
      `mutation { deleteDocument(input: { documentId: "${birchDocument}" }) { documentId } }`,
      'mutation { changeTier(input: { tenantId: "birch", tier: ENTERPRISE }) { tenant { id } } }',
      "{ tenants { nodes { id } } }",
    ]) {
      expect((await server.ask(member, denied)).errors[0]?.extensions["code"]).toBe("FORBIDDEN");
    }
  });

  test("a suspended tenant is refused although its token was just accepted, and served again when reactivated", async () => {
    await server.createTenant("dogwood", "FREE");
    const dogwood = { bearer: await server.token({ tenant: "dogwood" }) };
    expect((await server.ask(dogwood, "{ viewer { tier } }")).errors).toEqual([]);
    await server.must("operator", 'mutation { suspendTenant(input: { tenantId: "dogwood" }) { tenant { state } } }');
    const refused = await server.ask(dogwood, "{ viewer { tier } }");
    expect(refused.status).toBe(403);
    expect(refused.errors[0]?.extensions["code"]).toBe("TENANT_SUSPENDED");
    await server.must("operator", 'mutation { reactivateTenant(input: { tenantId: "dogwood" }) { tenant { state } } }');
    expect((await server.ask(dogwood, "{ viewer { tier } }")).errors).toEqual([]);
  });
});
