import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { newId, type ChunkId, type ConversationId, type TenantId, type UserId } from "../../src/kernel/ids.js";
import { codeOf, startHarness, type Answer, type Harness } from "../gateway/harness.js";

let harness: Harness;
beforeEach(async () => {
  harness = await startHarness();
});
afterEach(() => harness.gateway.drain());

function conversationOf(tenant: string, user: string) {
  const id = newId<ConversationId>("conversation");
  harness.services.conversations.push({ id, tenantId: tenant as TenantId, userId: user, title: "secret talk", createdAt: new Date(0), updatedAt: new Date(0) });
  harness.services.messages.push({ id: "msg_1", conversationId: id, ordinal: 0, tenantId: tenant as TenantId, question: "secret question", answer: "secret answer", createdAt: new Date(0) });
  return id;
}

function expectDenied(answer: Answer, type: string): void {
  expect(answer.errors.length).toBeGreaterThan(0);
  for (const error of answer.errors) expect(error).toMatchObject({ message: `${type} not found`, extensions: { code: "NOT_FOUND" } });
  expect(answer.text).not.toContain("secret");
  expect(answer.text).not.toContain("globex");
  expect(harness.telemetry.alarms[0]).toMatchObject({ name: "tenant_tag_mismatch", fields: { type, callerTenant: "acme", objectTenant: "globex" } });
}

describe("with the store's walls taken down", () => {
  beforeEach(() => {
    harness.services.walls = false;
  });

  test("another tenant's document is denied by id, in lists and as a hit, and alarmed", async () => {
    const row = harness.services.addDocument("globex", "secret plans");
    const token = await harness.member();
    expectDenied(await harness.query(`{ document(id: "${row.id}") { title } }`, { token }), "Document");
    expectDenied(await harness.query("{ documents { nodes { title } } }", { token }), "Document");
    expectDenied(await harness.query("{ documents { edges { cursor node { title } } } }", { token }), "Document");
    harness.telemetry.alarms.length = 0;
    expectDenied(await harness.query(`{ passage(id: "chk_${row.id.slice(4)}") { text } }`, { token }), "Passage");
    harness.telemetry.alarms.length = 0;
    expectDenied(await harness.query('{ search(input: { query: "x" }) { hits { snippet } } }', { token }), "SearchHit");
  });

  test("a citation of another tenant's passage is denied even when its document is not selected", async () => {
    harness.services.addDocument("globex", "secret plans");
    expectDenied(await harness.query('mutation { ask(input: { question: "q" }) { ... on Answer { citations { snippet } } } }', { token: await harness.member() }), "Citation");
  });

  test("another tenant's conversation and its messages are denied", async () => {
    const id = conversationOf("globex", "ann");
    const token = await harness.member();
    expectDenied(await harness.query(`{ conversation(id: "${id}") { title messages { nodes { question } } } }`, { token }), "Conversation");
    harness.services.conversations.push({ id: newId<ConversationId>("conversation"), tenantId: "acme" as TenantId, userId: "ann", title: "ours", createdAt: new Date(0), updatedAt: new Date(0) });
    const ours = harness.services.conversations.at(-1);
    harness.services.messages[0] = { ...harness.services.messages[0], conversationId: ours?.id } as never;
    harness.telemetry.alarms.length = 0;
    expectDenied(await harness.query(`{ conversation(id: "${ours?.id}") { messages { nodes { question } } } }`, { token }), "Message");
  });

  test("a subscription's event about another tenant's document is denied", async () => {
    const row = harness.services.addDocument("globex", "secret plans");
    const response = await fetch(`${harness.url}/graphql`, {
      method: "POST",
      headers: { "content-type": "application/json", accept: "text/event-stream", authorization: `Bearer ${await harness.member()}` },
      body: JSON.stringify({ query: `subscription { ingestion(documentId: "${row.id}") { document { title } } }` }),
    });
    const reader = response.body?.getReader();
    let text = "";
    while (!text.includes("NOT_FOUND")) {
      const chunk = await reader?.read();
      if (chunk === undefined || chunk.done) break;
      text += new TextDecoder().decode(chunk.value);
    }
    await reader?.cancel();
    expect(text).toContain("NOT_FOUND");
    expect(text).not.toContain("secret");
  });

  test("our own objects are served all the same", async () => {
    harness.services.addDocument("acme", "ours");
    expect((await harness.query("{ documents { nodes { title } } }", { token: await harness.member() })).data).toEqual({ documents: { nodes: [{ title: "ours" }] } });
    expect(harness.telemetry.alarms).toEqual([]);
  });
});

test("an object without a tag belongs to nobody", async () => {
  harness.services.documents.push({ ...harness.services.addDocument("acme", "untagged"), tenantId: undefined } as never);
  harness.services.documents.shift();
  harness.services.walls = false;
  expect(codeOf(await harness.query("{ documents { nodes { title } } }", { token: await harness.member() }))).toBe("NOT_FOUND");
});

test("a citation whose document is gone is withheld, with its snippet", async () => {
  harness.services.answer = async () => ({
    kind: "ANSWER", id: "a", text: "t", finishReason: "STOP", cached: false, replayed: false, model: "fake", usage: { promptTokens: 0, completionTokens: 0, costMicroUsd: 0 }, latency: { totalMs: 1, stages: [] },
    citations: [{ documentId: newId("document"), chunkId: newId<ChunkId>("chunk"), snippet: "secret words", score: 1 }],
  });
  const answer = await harness.query('mutation { ask(input: { question: "q" }) { ... on Answer { citations { snippet } } } }', { token: await harness.member() });
  expect(answer.data).toEqual({ ask: { citations: [] } });
});

test("another user's conversation is as missing as another tenant's, and as one that never was", async () => {
  const theirs = conversationOf("acme", "bob");
  const foreign = conversationOf("globex", "ann");
  const token = await harness.token({ sub: "ann" as UserId });
  const texts = await Promise.all([theirs, foreign, newId("conversation"), "no id at all"].map(async (id) => (await harness.query(`{ conversation(id: "${id}") { title } }`, { token })).text));
  expect(new Set(texts).size).toBe(1);
  expect(texts[0]).toContain("Conversation not found");
});
