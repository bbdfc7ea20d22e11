import { serverAudits } from "graphql-http";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startHarness, type Harness } from "./harness.js";

/** The auditor asks without knowing our server; what it needs in order to be let in is added here, and nothing else is changed. */
let harness: Harness;
let token = "";
const audits = serverAudits({
  url: () => `${harness.url}/graphql`,
  fetchFn: (url: string, init: RequestInit = {}) => {
    const headers = new Headers(init.headers);
    headers.set("authorization", `Bearer ${token}`);
    headers.set("apollo-require-preflight", "1");
    return fetch(url, { ...init, headers });
  },
});

beforeAll(async () => {
  harness = await startHarness();
  token = await harness.member();
});
afterAll(() => harness.gateway.drain());

test("the auditor holds all of its checks", () => {
  expect(audits).toHaveLength(61);
});

test.each(audits.map((audit) => [audit.name, audit] as const))("GraphQL over HTTP: %s", async (_name, audit) => {
  const result = await audit.fn();
  const reason = result.status === "ok" ? "" : result.reason;
  await ("response" in result ? result.response.body?.cancel() : undefined);
  expect([result.status, reason]).toEqual(["ok", ""]);
});
