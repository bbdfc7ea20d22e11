import { createClient } from "graphql-ws";
import { afterAll, beforeAll, expect, test } from "vitest";
import { WebSocket } from "ws";
import { refusal } from "../../src/kernel/refusal.js";
import { startHarness, type Harness } from "./harness.js";

let harness: Harness;
let token = "";
beforeAll(async () => {
  harness = await startHarness({ pseudonymOf: () => Promise.resolve("usr_hash") });
  harness.services.addDocument("acme", "Salaries");
  token = await harness.member();
});
afterAll(() => harness.gateway.drain());

const question = "what does my neighbour earn?";
const ask = `mutation Ask { ask(input: { question: "${question}" }) { ... on Answer { text } ... on Refusal { code } } }`;
const lines = () => harness.telemetry.logs.filter(({ message }) => message === "request").map(({ fields }) => fields ?? {});
const last = async (from: number): Promise<Record<string, unknown>> => {
  await expect.poll(() => lines().length).toBe(from + 1);
  return lines()[from] ?? {};
};

test("one line tells who, what, how it ended, where the time went and what it cost, and not a word of the question", async () => {
  const before = lines().length;
  expect((await harness.query(ask, { token })).data).toMatchObject({ ask: { text: expect.any(String) } });
  const line = await last(before);
  expect(line).toMatchObject({
    requestId: expect.stringMatching(/^req_/), transport: "HTTP", caller: "acme", tier: "PRO", placement: "POOL", epoch: 1, user: "usr_hash", route: "graphql", status: "200",
    operation: "Ask", operationType: "mutation", documentHash: expect.stringMatching(/^[0-9a-f]{16}$/), model: expect.any(String), cached: false,
    promptTokens: expect.any(Number), costMicroUsd: expect.any(Number), stages: expect.objectContaining({ auth: expect.any(Number) }), ms: expect.any(Number), bytesIn: expect.any(Number), bytesOut: expect.any(Number),
  });
  expect(JSON.stringify(line)).not.toMatch(/neighbour|Salaries|"ann"/);
});

test("refusals and errors stand in it by their codes", async () => {
  const before = lines().length;
  const { answer } = harness.services;
  harness.services.answer = () => Promise.resolve(refusal("BUDGET_EXCEEDED", "Spent"));
  await harness.query(ask, { token });
  harness.services.answer = answer;
  expect(await last(before)).toMatchObject({ codes: ["BUDGET_EXCEEDED"] });
  await harness.query('query Missing { document(id: "doc_none") { id } }', { token });
  expect(await last(before + 1)).toMatchObject({ operation: "Missing", codes: ["NOT_FOUND"] });
});

test("an operation's name is cut in it, and one past the bound of names is not in it at all", async () => {
  const before = lines().length;
  await harness.query(`query ${"n".repeat(100)} { viewer { user } }`, { token });
  expect(await last(before)).toMatchObject({ operation: "n".repeat(64) });
  await harness.query(`query ${"n".repeat(900_000)} { viewer { user } }`, { token });
  const refused = await last(before + 1);
  expect(refused).toMatchObject({ status: "400", codes: ["QUERY_TOO_COMPLEX"] });
  expect(JSON.stringify(refused).length).toBeLessThan(1_000);
});

test("one who is not let in is a line without a tenant's facts", async () => {
  const before = lines().length;
  await harness.query(ask, { token: "nonsense" });
  const line = await last(before);
  expect(line).toMatchObject({ status: "401" });
  expect(Object.keys(line)).not.toContain("tier");
});

test("each operation over a socket is a line of its own", async () => {
  const before = lines().length;
  const client = createClient({ url: `${harness.url.replace("http", "ws")}/graphql`, webSocketImpl: WebSocket, connectionParams: { token }, retryAttempts: 0 });
  expect((await client.iterate({ query: "query Mine { viewer { user } }" }).next()).value).toEqual({ data: { viewer: { user: "ann" } } });
  expect(await last(before)).toMatchObject({ transport: "WEBSOCKET", caller: "acme", operation: "Mine", user: "usr_hash" });
  await client.dispose();
});
