import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startStubModelServer, type StubModelServer, type StubRequest } from "../support/stub-model-server.js";
import { listOf, TestServer, until, type Json } from "./server.js";

const repository = resolve(import.meta.dirname, "../../tenants");
const askText = "mutation ($input: AskInput!) { ask(input: $input) { __typename ... on Answer { text usage { promptTokens completionTokens costMicroUsd } } ... on Refusal { code } } }";
const usageText = "{ usage(input: { groupBy: OPERATION }) { groups { key total { calls promptTokens completionTokens costMicroUsd } } total { promptTokens completionTokens } } }";
const long = "The handbook says so, and there is nothing else to be said about it at this place. ".repeat(6);

let server: TestServer;
let model: StubModelServer;
let tenants: string;
const elder = { tenant: "elder" } as const;

const isSummary = ({ body }: StubRequest): boolean => body.messages[0]?.content.startsWith("You sum up a conversation") ?? false;
const contentOf = ({ body }: StubRequest, role: string): string => body.messages.filter((message) => message.role === role).map(({ content }) => content).join("\n");

beforeAll(async () => {
  tenants = mkdtempSync(join(tmpdir(), "bulkhead-tenants-"));
  const tiers = JSON.parse(readFileSync(join(repository, "tiers.json"), "utf8")) as Record<string, object>;
  for (const policy of Object.values(tiers)) Object.assign(policy, { historyTokens: 500 });
  cpSync(join(repository, "prices.json"), join(tenants, "prices.json"));
  writeFileSync(join(tenants, "tiers.json"), JSON.stringify(tiers));
  writeFileSync(join(tenants, "tenants.json"), "[]");
  model = await startStubModelServer();
  model.answerWith((request) => (isSummary(request) ? (contentOf(request, "user").includes("Bramble") ? "The user's cat is called Bramble." : "Nothing of note.") : long));
  server = await TestServer.start({ MODEL_BASE_URL: model.baseUrl, MODEL_NAME: "stub" }, { tenantsFolder: tenants });
  await server.createTenant("elder", "PRO");
});
afterAll(async () => {
  await server.stop();
  await model.close();
  rmSync(tenants, { recursive: true, force: true });
});

async function ask(conversationId: string, question: string): Promise<Json> {
  return (await server.must(elder, askText, { input: { question, conversationId, model: "stub" } }))["ask"] as Json;
}

const summaries = (): number => model.requests.filter(isSummary).length;
const asked = (): StubRequest | undefined => model.requests.findLast((request) => !isSummary(request));

test("a long conversation is summed up behind its answers, on the tenant's bill; the summary moves with the tenant and dies with the conversation", async () => {
  const started = await server.must(elder, 'mutation { startConversation(input: { title: "Pets" }) { conversation { id } } }');
  const id = String(started["startConversation"]?.["conversation"]?.["id"]);
  const own: Json[] = [await ask(id, "My cat is called Bramble, remember that please.")];
  for (let turn = 1; summaries() === 0 && turn < 12; turn += 1) own.push(await ask(id, `What does the handbook say about point ${turn}?`));
  await until(async () => (summaries() > 0 ? true : undefined));
  await until(async () => {
    own.push(await ask(id, "What is my cat called?"));
    return contentOf(asked() as StubRequest, "user").includes("<summary-") ? true : undefined;
  });
  const request = asked() as StubRequest;
  expect(contentOf(request, "user")).toContain("The user's cat is called Bramble.");
  expect(contentOf(request, "system")).not.toContain("Bramble");
  expect(request.body.messages.slice(1, -1).map(({ content }) => content).join()).not.toContain("Bramble");
  expect(JSON.stringify(request.body)).not.toMatch(/elder|anna/u);

  // Every token is on the bill once: the answers' own, as their callers were told, and the summaries'.
  const usage = await until(async () => {
    const { usage: report } = await server.must(elder, usageText);
    return listOf(report?.["groups"]).some((group) => String(group["key"]) === "summarise" && Number(group["total"]?.["calls"]) === summaries()) ? report : undefined;
  });
  const of = (key: string): Json | undefined => listOf(usage["groups"]).find((group) => String(group["key"]) === key)?.["total"];
  const told = own.reduce((sum, answer) => sum + Number(answer["usage"]?.["costMicroUsd"]), 0);
  expect(Number(of("ask")?.["costMicroUsd"])).toBe(told);
  expect(Number(of("summarise")?.["costMicroUsd"])).toBeGreaterThan(0);
  expect(of("summarise")).toMatchObject({ promptTokens: 123 * summaries() });

  const move = await server.must("operator", 'mutation { changeTier(input: { tenantId: "elder", tier: ENTERPRISE }) { placementMove { id } } }');
  expect((await server.untilMoved(String(move["changeTier"]?.["placementMove"]?.["id"])))["phase"]).toBe("DONE");
  await ask(id, "And in the silo, what is my cat called?");
  expect(contentOf(asked() as StubRequest, "user")).toMatch(/<summary-[0-9a-f]{24}>\n[^<]*Bramble/u);

  // Prompts that models were sent, checked prompts and watched answers are equal in number, summaries among them.
  const metrics = await (await fetch(`${server.url}/metrics`)).text();
  const checks = ["input", "output"].map((side) => Number(new RegExp(`bulkhead_guard_checks_total\\{side="${side}"\\} (\\d+)`, "u").exec(metrics)?.[1]));
  expect(checks).toEqual([model.requests.length, model.requests.length]);

  await server.must(elder, "mutation ($input: ClearConversationInput!) { clearConversation(input: $input) { conversationId } }", { input: { conversationId: id } });
  expect((await server.ask(elder, askText, { input: { question: "What is my cat called?", conversationId: id, model: "stub" } })).errors[0]?.extensions["code"]).toBe("NOT_FOUND");
});
