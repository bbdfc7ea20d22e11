/** The audit's way in when the server is stopped, and what a balancer sees meanwhile. */
import { parse } from "graphql";
import { afterAll, beforeAll, expect, test } from "vitest";
import { callerOf } from "../../src/audit/probe.js";
import { parseTenantId } from "../../src/kernel/ids.js";
import { startHarness, type Harness } from "./harness.js";

let harness: Harness;
beforeAll(async () => {
  harness = await startHarness();
  harness.services.addTenant("audit-probe-a");
});
afterAll(() => harness.gateway.drain());

test("a probe in flight ends with the audit, and not by its deadline", async () => {
  const stop = new AbortController();
  harness.services.answers.run = (_context, deadline) => new Promise((_resolve, reject) => {
    deadline.signal.addEventListener("abort", () => reject(deadline.signal.reason as Error));
    stop.abort();
  });
  const answer = await harness.gateway.probes.run(callerOf(parseTenantId("audit-probe-a"), "ann"), parse('mutation { ask(input: { question: "q" }) { __typename } }'), {}, stop.signal);
  expect(answer.errors[0]).toMatchObject({ code: "SERVICE_UNAVAILABLE" });
});

test("a server that leaves is not ready, and serves who still comes", async () => {
  const leaving = await startHarness();
  leaving.gateway.leave();
  expect((await fetch(`${leaving.url}/health/ready`)).status).toBe(503);
  expect((await leaving.query("{ viewer { user } }", { token: await leaving.member() })).status).toBe(200);
  await leaving.gateway.drain();
});
