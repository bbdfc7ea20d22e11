/** What counts as a leak, and what does not. */
import { describe, expect, test } from "vitest";
import { comparable, reachedTheId } from "../../src/audit/attacks/compare.js";
import { Timings } from "../../src/audit/attacks/foreign-ids.js";
import { Canaries } from "../../src/audit/canaries.js";
import { Evidence } from "../../src/audit/evidence.js";
import { Listening, type AuditTaps } from "../../src/audit/taps.js";
import type { CompletionRequest } from "../../src/inference/inference-backend.js";
import { parseTenantId } from "../../src/kernel/ids.js";
import { recordingTelemetry } from "../support/tenants.js";

const answer = (text: string, code?: string) => ({ data: code === undefined ? {} : null, errors: code === undefined ? [] : [{ message: "m", code }], text });
const request = (question: string, userTag: string, text: string): CompletionRequest => ({ model: "m", question, userTag, history: [], passages: [{ label: "1", title: "t", text, score: 1 }], maxTokens: 1, canary: "c" });
const nothing = (): void => undefined;

function listening() {
  const canaries = new Canaries();
  const evidence = new Evidence(recordingTelemetry());
  let log: Parameters<AuditTaps["logs"]>[0] = nothing;
  let model: Parameters<AuditTaps["models"]>[0] = nothing;
  let metrics = "";
  const taps: AuditTaps = { logs: (listener) => ((log = listener), nothing), models: (listener) => ((model = listener), nothing), metrics: () => Promise.resolve({ text: metrics }) };
  const listens = new Listening(taps, canaries, evidence);
  return { canaries, evidence, listens, log: (...event: Parameters<typeof log>) => log(...event), model: (...event: Parameters<typeof model>) => model(...event), setMetrics: (text: string) => (metrics = text) };
}

const [a, b] = [parseTenantId("audit-probe-a"), parseTenantId("audit-probe-b")];

describe("canaries", () => {
  test("are found in any text, and are nobody's to guess", () => {
    const canaries = new Canaries();
    const [mine, theirs] = [canaries.make(a, "title"), canaries.make(b, "title")];
    expect(mine).not.toBe(theirs);
    expect(canaries.foreignIn(`{"title":"${theirs}"}`, a, "")).toEqual([{ text: theirs, tenantId: b, surface: "title" }]);
    expect(canaries.foreignIn(`one's own: ${mine}`, a, "")).toEqual([]);
  });

  test("that the asker sent tell it nothing; those of an earlier audit are still someone's", () => {
    const canaries = new Canaries();
    const theirs = canaries.make(b, "question");
    expect(canaries.foreignIn(`got "${theirs}"`, a, `{"query":"${theirs}"}`)).toEqual([]);
    const earlier = new Canaries().make(b, "title");
    expect(canaries.foreignIn(earlier, a, "")).toMatchObject([{ tenantId: undefined }]);
  });
});

describe("the evidence", () => {
  test("wakes a person once a run, and keeps at most a hundred findings", () => {
    const telemetry = recordingTelemetry();
    const evidence = new Evidence(telemetry);
    for (let leak = 0; leak < 150; leak += 1) evidence.leaked("lists", "Query.documents", "shown");
    expect(evidence.leaks).toBe(150);
    expect(evidence.findings).toHaveLength(100);
    expect(telemetry.alarms.map(({ name }) => name)).toEqual(["isolation_leak"]);
  });

  test("recall is over all surfaces, and undefined where nothing was planted", () => {
    const evidence = new Evidence(recordingTelemetry());
    expect(evidence.recall).toBeUndefined();
    evidence.recalled("documents", true, "");
    evidence.recalled("passages", false, "lost");
    expect(evidence.recall).toBe(0.5);
    expect(evidence.missed).toEqual(["passages: lost"]);
  });

  test("a field with one argument left out is not covered, whatever else of it was probed", () => {
    const evidence = new Evidence(recordingTelemetry());
    evidence.field("Query.search");
    evidence.covered("Query.search");
    expect(evidence.coverage).toEqual({ fields: 1, covered: 1, uncovered: [] });
    evidence.uncovered("Query.search", "(input.widgetId)", "why");
    expect(evidence.coverage).toEqual({ fields: 1, covered: 0, uncovered: ["Query.search(input.widgetId): why"] });
  });
});

describe("two answers", () => {
  test("are alike but for the id that was asked for and ids of the request", () => {
    expect(comparable(answer('{"message":"doc_a not found","requestId":"req_AAAAAAAAAAAAAAAAAAAA"}'), "doc_a")).toBe(comparable(answer('{"message":"doc_b not found","requestId":"req_BBBBBBBBBBBBBBBBBBBB"}'), "doc_b"));
    expect(comparable(answer('"NOT_FOUND"'), "x")).not.toBe(comparable(answer('"CONFLICT"'), "x"));
  });

  test("an argument that was refused before the id was looked for was not probed", () => {
    expect(reachedTheId(answer("", "NOT_FOUND"))).toBe(true);
    expect(reachedTheId(answer("", "FORBIDDEN"))).toBe(true);
    expect(reachedTheId(answer("", "BAD_USER_INPUT"))).toBe(false);
  });

  test("that take another time by the half are apart, and those that jitter are not", () => {
    const timings = new Timings();
    for (let at = 0; at < 60; at += 1) {
      timings.add("apart", 6 + (at % 3), 2 + (at % 3) / 10);
      timings.add("alike", 2 + (at % 5), 2 + ((at + 2) % 5));
    }
    expect(timings.apart().map(({ name }) => name)).toEqual(["apart"]);
  });
});

describe("beside the answers", () => {
  test("a text of a tenant in a log is a leak, however deep; its user's name is none", () => {
    const { canaries, evidence, log } = listening();
    log({ message: "said", fields: { user: canaries.make(a, "user") } });
    expect(evidence.leaks).toBe(0);
    log({ message: "said", fields: { error: { cause: [{ row: canaries.make(a, "passage") }] } } });
    expect(evidence.findings[0]).toMatchObject({ surface: "logs" });
  });

  test("the alarm of an inner wall about a probe tenant is a leak; about a customer it is an alarm as ever", () => {
    const { evidence, log } = listening();
    log({ message: "Alarm", fields: { expected: "acme", got: "globex" }, alarm: "tenant_mismatch" });
    expect(evidence.leaks).toBe(0);
    log({ message: "Alarm", fields: { expected: "audit-probe-a", got: "acme" }, alarm: "tenant_mismatch" });
    expect(evidence.findings[0]).toMatchObject({ surface: "walls", operation: "tenant_mismatch" });
  });

  test("a passage of one tenant in a model's request of another is a leak, one's own is not", () => {
    const { canaries, evidence, model } = listening();
    const [mine, theirs] = [canaries.make(a, "passage"), canaries.make(b, "passage")];
    model(request(`What is ${canaries.make(a, "question")}?`, "tag-of-a", mine));
    expect(evidence.leaks).toBe(0);
    model(request("And now?", "tag-of-a", theirs));
    expect(evidence.findings[0]).toMatchObject({ surface: "model requests" });
  });

  test("a canary sent to a model for a customer is a leak", () => {
    const { canaries, evidence, model } = listening();
    model(request("A customer's question", "tag-of-acme", canaries.make(b, "passage")));
    expect(evidence.leaks).toBe(1);
  });

  test("a tenant's word in a metric's label is a leak, a user's too", async () => {
    const { canaries, evidence, listens, setMetrics } = listening();
    setMetrics(`requests{user="${canaries.make(a, "user")}"} 1`);
    await listens.lookAtMetrics();
    expect(evidence.findings[0]).toMatchObject({ surface: "metric labels" });
  });

  test("a word of a canary's form that this run never made is a customer's own, and no leak of anybody's", async () => {
    const { evidence, listens, log, model, setMetrics } = listening();
    const forged = `zq${"a".repeat(24)}`;
    log({ message: `Operation ${forged}`, fields: { operation: forged, error: { cause: forged } } });
    model(request(`What is ${forged}?`, "tag-of-acme", forged));
    setMetrics(`operations_total{name="${forged}"} 1`);
    await listens.lookAtMetrics();
    expect(evidence.findings).toEqual([]);
  });
});
