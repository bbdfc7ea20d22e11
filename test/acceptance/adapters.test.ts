import { afterAll, beforeAll, expect, test } from "vitest";
import { newId } from "../../src/kernel/ids.js";
import { startStubEmbeddingServer, type StubEmbeddingServer } from "../support/stub-embedding-server.js";
import { StubFineTuningServer } from "../support/stub-fine-tuning-server.js";
import { listOf, TestServer, until, type As, type Json } from "./server.js";

const maple = { tenant: "maple" } as const;
const rowan = { tenant: "rowan" } as const;
const question = "How many days of annual leave does a full-time employee have?";

let stub: StubFineTuningServer;
let embeddings: StubEmbeddingServer;
let server: TestServer;
let adapterId: string;
beforeAll(async () => {
  stub = await StubFineTuningServer.start();
  embeddings = await startStubEmbeddingServer();
  server = await TestServer.start({ ...embeddings.environment, MODEL_BASE_URL: stub.baseUrl, MODEL_NAME: "gpt-4o-mini", FINE_TUNING_BASE_URL: stub.baseUrl, FINE_TUNING_API_KEY: "key" }, { adapterPollMs: 5 });
  for (const as of [maple, rowan]) {
    await server.createTenant(as.tenant, "PRO");
    await server.ingest(as, "Handbook", "A full-time employee has thirty days of annual leave.");
  }
});
afterAll(async () => {
  await server.stop();
  await embeddings.close();
  await stub.close();
});

const askText = "mutation ($input: AskInput!) { ask(input: $input) { ... on Answer { text model cached replayed usage { costMicroUsd } } ... on Refusal { code message } } }";
const ask = async (as: As, input: Record<string, unknown>): Promise<Json> => (await server.must(as, askText, { input: { question, ...input } }))["ask"] as Json;
const refused = async (as: As, input: Record<string, unknown>): Promise<{ readonly code: unknown; readonly message: string }> => {
  const { errors } = await server.ask(as, askText, { input: { question, ...input } });
  return { code: errors[0]?.extensions["code"], message: String(errors[0]?.message) };
};

async function teach(as: As, answers: number): Promise<void> {
  const started = await server.must(as, "mutation { startConversation { conversation { id } } }");
  const conversationId = String(started["startConversation"]?.["conversation"]?.["id"]);
  for (let n = 0; n < answers; n += 1) await ask(as, { conversationId, question: `Question ${n} of ${as === "operator" ? as : as.tenant}?` });
  const read = await server.must(as, "query ($id: ID!) { conversation(id: $id) { messages(first: 50) { nodes { id } } } }", { id: conversationId });
  for (const message of listOf(read["conversation"]?.["messages"]?.["nodes"])) {
    await server.must(as, "mutation ($input: FeedbackInput!) { sendFeedback(input: $input) { messageId rating } }", { input: { messageId: message["id"], rating: "BAD", correction: `Thirty days, as always. ${String(message["id"])}` } });
  }
}

test("feedback becomes an adapter through the API alone, and a question that names it is answered by it, at the price of its base model", async () => {
  const train = "mutation { trainAdapter(input: { name: \"Ours\", baseModel: \"gpt-4o-mini\" }) { adapter { id state } } }";
  expect((await server.ask(maple, train)).errors[0]?.extensions).toMatchObject({ code: "LIMIT_EXCEEDED", got: "0 good or corrected answers", expected: "at least 10" });
  expect((await server.ask({ ...maple, roles: ["member"] }, train)).errors[0]?.extensions["code"]).toBe("FORBIDDEN");
  await teach(maple, 10);
  adapterId = String((await server.must(maple, train))["trainAdapter"]?.["adapter"]?.["id"]);
  expect((await refused(maple, { adapterId })).code).toBe("CONFLICT");
  stub.end(await until(async () => stub.jobs[0]), "succeeded");
  await until(async () => ((await server.must(maple, "query ($id: ID!) { adapter(id: $id) { state examples } }", { id: adapterId }))["adapter"]?.["state"] as unknown) === "READY" ? true : undefined);
  const [tuned, base] = [await ask(maple, { adapterId }), await ask(maple, {})];
  expect(tuned).toMatchObject({ text: expect.stringContaining("says ft:gpt-4o-mini:") as string, model: "gpt-4o-mini", cached: false });
  expect(base).toMatchObject({ text: expect.stringContaining("says gpt-4o-mini.") as string, cached: false, usage: tuned["usage"] });
});

test("what an adapter answered is remembered for it alone", async () => {
  expect(await ask(maple, { adapterId })).toMatchObject({ cached: true, text: expect.stringContaining("says ft:") as string });
  expect(await ask(maple, {})).toMatchObject({ cached: true, text: expect.stringContaining("says gpt-4o-mini.") as string });
});

test("it is part of the arguments of an idempotency key", async () => {
  const idempotencyKey = "leave";
  await ask(maple, { adapterId, idempotencyKey });
  expect(await ask(maple, { adapterId, idempotencyKey })).toMatchObject({ replayed: true });
  expect((await refused(maple, { idempotencyKey })).code).toBe("IDEMPOTENCY_MISMATCH");
});

test("to another tenant it is to the letter an id that never was, and no model is called", async () => {
  const chats = stub.chats.length;
  const foreign = await refused(rowan, { adapterId });
  expect(foreign).toEqual({ code: "NOT_FOUND", message: "Adapter not found" });
  expect(await refused(rowan, { adapterId: newId("adapter") })).toEqual(foreign);
  // Nor by the provider's name of it, which a caller may have guessed.
  expect((await refused(rowan, { model: stub.jobs[0]?.fine_tuned_model })).code).toBe("BAD_USER_INPUT");
  expect((await refused(maple, { adapterId, model: "embedded-extractive" })).code).toBe("BAD_USER_INPUT");
  expect(stub.chats).toHaveLength(chats);
});

test("imported weights come back byte by byte and are not served; a deleted adapter answers nothing more, not even from memory", async () => {
  const file = Buffer.alloc(5_000_000, "weights");
  const headers = { authorization: `Bearer ${await server.token(maple)}` };
  const response = await fetch(`${server.url}/adapters?name=Brought&baseModel=llama`, { method: "POST", headers, body: file });
  const id = ((await response.json()) as { data: { adapter: { id: string; state: string } } }).data.adapter.id;
  expect(Buffer.from(await (await fetch(`${server.url}/adapters/${id}/weights`, { headers })).arrayBuffer()).equals(file)).toBe(true);
  expect((await fetch(`${server.url}/adapters/${id}/weights`, { headers: { authorization: `Bearer ${await server.token(rowan)}` } })).status).toBe(404);
  expect((await refused(maple, { adapterId: id })).code).toBe("CONFLICT");
  const { adapters } = await server.must(maple, "{ adapters { nodes { name state weights { bytes } } } }");
  expect(adapters?.["nodes"]).toEqual([{ name: "Brought", state: "IMPORTED", weights: { bytes: file.length } }, { name: "Ours", state: "READY", weights: null }]);
  await server.must(maple, "mutation ($input: DeleteAdapterInput!) { deleteAdapter(input: $input) { adapterId } }", { input: { adapterId } });
  expect(await refused(maple, { adapterId })).toEqual({ code: "NOT_FOUND", message: "Adapter not found" });
  await until(async () => (stub.deleted.has(String(stub.jobs[0]?.fine_tuned_model)) ? true : undefined));
});
