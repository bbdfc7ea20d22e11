/** An attack that a busy server refused has tried nothing. */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { buildSchema } from "graphql";
import { expect, test } from "vitest";
import { cursorAttacks } from "../../src/audit/attacks/cursors.js";
import { attackableIds, attackLoader } from "../../src/audit/attacks/foreign-ids.js";
import { askAsTheVictim, resumeAsTheVictim, searchAsTheVictim } from "../../src/audit/attacks/known-answers.js";
import { attackListing } from "../../src/audit/attacks/listings.js";
import { Canaries } from "../../src/audit/canaries.js";
import { Evidence } from "../../src/audit/evidence.js";
import { callerOf, Probe, words, type ProbeTenant, type Word } from "../../src/audit/probe.js";
import type { ProbeAnswer, ProbeExecutor } from "../../src/audit/probe-executor.js";
import { parseTenantId } from "../../src/kernel/ids.js";
import { silentTelemetry } from "../../src/kernel/telemetry.js";

const schema = buildSchema(readFileSync(resolve(import.meta.dirname, "../../schema/schema.graphql"), "utf8"));

function plantedFor(tenantId: string): ProbeTenant {
  return {
    caller: callerOf(parseTenantId(tenantId), "user"), since: new Date(), words: Object.fromEntries(words.map((word) => [word, word])) as Record<Word, string>, questions: { keyed: "q", cached: "q" },
    ids: { document: ["doc_1"], passage: ["chk_1"], conversation: ["cnv_1"], message: ["msg_1"], adapter: ["adp_1"], move: ["mov_1"], tenant: [tenantId], report: ["aud_1"] },
  };
}

test.each<[string, ProbeAnswer]>([
  ["SERVICE_UNAVAILABLE", { data: null, errors: [{ message: "busy", path: ["a0"], code: "SERVICE_UNAVAILABLE" }], text: "{}" }],
  ["a refusal of the queue", { data: { ask: {} }, errors: [], text: '{"data":{"ask":{"__typename":"Refusal","code":"OVERLOADED"}}}' }],
])("attacks answered by %s are no probes, and each field is uncovered", async (_what, answer) => {
  const executor: Partial<ProbeExecutor> = { schema, run: () => Promise.resolve(answer), stream: () => Promise.resolve([answer]) };
  const probe = new Probe(executor as ProbeExecutor, new Canaries(), new Evidence(silentTelemetry), new AbortController().signal, (_tenantId, work) => work());
  const [attacker, victim] = [plantedFor("audit-probe-a"), plantedFor("audit-probe-b")];
  const byId = attackableIds(probe, [attacker, victim]).find(({ field }) => field === "conversation");
  await Promise.all([
    askAsTheVictim(probe, attacker, victim),
    resumeAsTheVictim(probe, attacker, victim),
    searchAsTheVictim(probe, attacker, victim, "TEXT"),
    attackListing(probe, "documents", attacker),
    ...cursorAttacks(probe).map((attack) => attack(attacker, victim)),
    byId === undefined ? undefined : attackLoader(probe, byId, attacker, [victim], 8),
  ]);
  expect(probe.evidence.probes).toBe(0);
  expect(probe.evidence.leaks).toBe(0);
  const uncovered = probe.evidence.coverage.uncovered.join("\n");
  for (const field of ["Mutation.ask", "Subscription.answer", "Query.search", "Query.documents", "Query.documents(after)", "Conversation.messages(after)", "Query.conversation"]) expect(uncovered).toContain(`${field}:`);
});
