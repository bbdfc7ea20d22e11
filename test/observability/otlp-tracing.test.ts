import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { OtlpTracing } from "../../src/observability/otlp-tracing.js";
import { TestServer, until } from "../acceptance/server.js";
import { startCollector, type CollectedSpan, type Collector } from "../support/otlp-collector.js";
import { RecordingTelemetry } from "../gateway/harness.js";
import { startStubModelServer, type StubModelServer } from "../support/stub-model-server.js";

const secret = "the vault opens with 4711";
const ask = "mutation Ask($question: String!) { ask(input: { question: $question }) { ... on Answer { text } ... on Refusal { code } } }";
const stream = "subscription Answer($question: String!) { answer(input: { question: $question, idempotencyKey: \"k1\" }) { ... on Answer { text } ... on Refusal { code } ... on AnswerFailed { code } } }";
const callerTrace = "0af7651916cd43dd8448eb211c80319c";
const callerSpan = "b7ad6b7169203331";

let collector: Collector;
let model: StubModelServer;
let server: TestServer;
let token = "";
beforeAll(async () => {
  collector = await startCollector();
  model = await startStubModelServer();
  model.behave("ok", `An answer: ${secret}`);
  server = await TestServer.start({ OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint, OTEL_TRACES_SAMPLER_ARG: "0", MODEL_BASE_URL: model.baseUrl, MODEL_NAME: "stub" });
  await server.createTenant("tracing", "PRO");
  token = await server.token({ tenant: "tracing" });
  await server.ingest({ tenant: "tracing" }, "Vault", `The vault is in the cellar and ${secret}.`);
});
afterAll(async () => {
  await server.stop();
  await Promise.all([collector.close(), model.close()]);
});

const post = (query: string, headers: Record<string, string>): Promise<Response> =>
  fetch(`${server.url}/graphql`, { method: "POST", headers: { "content-type": "application/json", authorization: `Bearer ${token}`, ...headers }, body: JSON.stringify({ query, variables: { question: `What opens the vault? ${secret}` } }) });

const traced = (traceId: string): CollectedSpan[] => collector.spans.filter((span) => span.traceId === traceId);

/** A span as the names from the root to it. */
function pathsOf(spans: readonly CollectedSpan[]): string[] {
  const byId = new Map(spans.map((span) => [span.spanId, span]));
  const path = (span: CollectedSpan): string => {
    const above = byId.get(span.parentSpanId ?? "");
    return above === undefined ? span.name : `${path(above)} > ${span.name}`;
  };
  return [...new Set(spans.map(path))].toSorted();
}

describe("a request that its caller traces", () => {
  test("is told from the request through operation, field, queue, store and model, and the model's server is told to go on", async () => {
    const before = model.requests.length;
    const response = await post(ask, { traceparent: `00-${callerTrace}-${callerSpan}-01` });
    expect(await response.text()).toContain("An answer");
    const spans = await until(async () => (traced(callerTrace).some(({ name }) => name === "POST /graphql") ? traced(callerTrace) : undefined));
    const field = "POST /graphql > mutation Ask > Mutation.ask";
    expect(pathsOf(spans)).toEqual(expect.arrayContaining(["POST /graphql", "POST /graphql > mutation Ask", field, `${field} > queue.wait`, `${field} > store.read`, `${field} > model.embedding`, `${field} > model.completion`]));
    const completion = spans.find(({ name }) => name === "model.completion");
    expect(completion?.attributes).toMatchObject({ "bulkhead.tenant.id": "tracing", "bulkhead.tenant.tier": "PRO", "gen_ai.request.model": "stub" });
    expect(spans.find(({ name }) => name === "POST /graphql")).toMatchObject({ parentSpanId: callerSpan, attributes: { "bulkhead.tenant.id": "tracing", "bulkhead.tenant.placement": "POOL" } });
    expect(model.requests[before]?.traceparent).toBe(`00-${callerTrace}-${completion?.spanId}-01`);
  });

  test("keeps its trace over a stream, whoever asks for the next event", async () => {
    const traceId = callerTrace.replace("0af7", "0bf7");
    const response = await post(stream, { traceparent: `00-${traceId}-${callerSpan}-01`, accept: "text/event-stream" });
    expect(await response.text()).toContain("An answer");
    const spans = await until(async () => (traced(traceId).some(({ name }) => name === "POST /graphql") ? traced(traceId) : undefined));
    const paths = pathsOf(spans);
    expect(paths).toEqual(expect.arrayContaining(["POST /graphql > subscription Answer > Subscription.answer"]));
    expect(paths.filter((path) => path.endsWith("model.completion"))).toEqual([expect.stringMatching(/^POST \/graphql > subscription Answer/)]);
  });

  test("has none of the ingestion that it starts, which may go on with another tenant's document", async () => {
    const traceId = callerTrace.replace("0af7", "0ef7");
    const query = "mutation Ingest($question: String!) { ingestDocument(input: { title: \"Cellar\", content: $question, mediaType: TEXT }) { document { id } } }";
    const answer = (await (await post(query, { traceparent: `00-${traceId}-${callerSpan}-01` })).json()) as { data: { ingestDocument: { document: { id: string } } } };
    const { id } = answer.data.ingestDocument.document;
    await until(async () => (String((await server.must({ tenant: "tracing" }, "query ($id: ID!) { document(id: $id) { state } }", { id })).document?.["state"]) === "READY" ? true : undefined));
    // Spans are sent in order: one that began after the ingestion had ended tells that all of it is here.
    const later = callerTrace.replace("0af7", "0ff7");
    await (await post(ask, { traceparent: `00-${later}-${callerSpan}-01` })).text();
    await until(async () => (traced(later).some(({ name }) => name === "POST /graphql") ? true : undefined));
    expect(pathsOf(traced(traceId))).toEqual(expect.arrayContaining(["POST /graphql > mutation Ingest"]));
    expect(traced(traceId).map(({ name }) => name)).not.toContain("model.embedding");
  });

  test("has no more of an operation's name than 64 characters", async () => {
    const traceId = callerTrace.replace("0af7", "0df7");
    await (await post(`query ${"n".repeat(100)} { viewer { user } }`, { traceparent: `00-${traceId}-${callerSpan}-01` })).text();
    const spans = await until(async () => (traced(traceId).some(({ name }) => name === "POST /graphql") ? traced(traceId) : undefined));
    const name = "n".repeat(64);
    expect(spans.find((span) => span.name.startsWith("query "))).toMatchObject({ name: `query ${name}`, attributes: { "graphql.operation.name": name } });
  });

  test("tells codes and names and no word of question, document or answer", () => {
    expect(collector.bodies.length).toBeGreaterThan(0);
    for (const body of collector.bodies) expect(body).not.toMatch(/vault|4711/i);
  });
});

test("a request that nobody traces is not, and neither is one whose flag or header is not sound", async () => {
  const before = collector.spans.length;
  for (const traceparent of ["", `00-${callerTrace}-${callerSpan}-00`, `00-${"0".repeat(32)}-${callerSpan}-01`, `ff-${callerTrace}-${callerSpan}-01`, `00-${callerTrace.toUpperCase()}-${callerSpan}-01`]) await (await post(ask, traceparent === "" ? {} : { traceparent })).text();
  await new Promise((resolve) => setTimeout(resolve, 1_300));
  expect(collector.spans.slice(before)).toEqual([]);
});

test("a collector that fails or is gone costs no request, and its lost spans are counted", async () => {
  collector.status = 500;
  const traceId = callerTrace.replace("0af7", "0cf7");
  expect((await (await post(ask, { traceparent: `00-${traceId}-${callerSpan}-01` })).json()) as object).toMatchObject({ data: { ask: { text: expect.stringContaining("An answer") } } });
  const lost = await until(async () => /bulkhead_spans_exported_total\{outcome="FAILED"\} (\d+)/.exec(await (await fetch(`${server.url}/metrics`)).text())?.[1]);
  expect(Number(lost)).toBeGreaterThan(0);
  collector.status = 200;
});

test("work that a request starts for another has none of its trace", async () => {
  const tracing = new OtlpTracing({ endpoint: "http://127.0.0.1:9", ratio: 1 }, new RecordingTelemetry());
  const [own, other] = await tracing.serve("POST /graphql", {}, undefined, () => Promise.resolve([tracing.headers(), tracing.detached(() => tracing.headers())]));
  expect([Object.keys(own ?? {}), other]).toEqual([["traceparent"], {}]);
  await tracing.close();
});

test("to end it waits for a dead collector no longer than for an export, and does not reject", async () => {
  const tracing = new OtlpTracing({ endpoint: "http://127.0.0.1:9", ratio: 1 }, new RecordingTelemetry());
  await tracing.run("work", {}, () => Promise.resolve());
  await expect(tracing.close()).resolves.toBeUndefined();
});
