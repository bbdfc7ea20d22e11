import { writeFileSync } from "node:fs";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Command, Issuer, productionOf, ServerProcess, startEngineProcess, temporaryFolder } from "../support/server-process.js";
import { startStubModelServer, type StubBehaviour, type StubModelServer } from "../support/stub-model-server.js";
import { listOf, TestServer, until, type GraphqlAnswer, type Json } from "./server.js";

const handbook = "# Notice\n\nThe notice period of Maple is six weeks to the end of a month.";
const question = { input: { question: "How long is the notice period?", skipCache: true } };
const neighboured = `mutation ($input: AskInput!) {
  before: startConversation(input: { title: "Before" }) { conversation { title } }
  ask(input: $input) { __typename ... on Answer { text usage { promptTokens completionTokens } } ... on Refusal { code } }
}`;
const leaks = /stack|node_modules|at async|\/src\/|secret of the provider|127\.0\.0\.1|ECONNREFUSED|Mongo/;

describe("a model that fails", () => {
  const requestDeadlineMs = 4_000;
  const modelIdleMs = 1_000;
  const admin = { tenant: "maple" } as const;
  let model: StubModelServer;
  let server: TestServer;

  beforeAll(async () => {
    model = await startStubModelServer();
    server = await TestServer.start({ MODEL_BASE_URL: model.baseUrl, MODEL_NAME: "stub" }, { requestDeadlineMs, modelIdleMs });
    await server.createTenant("maple", "PRO");
    await server.ingest(admin, "Handbook", handbook);
  });
  afterAll(async () => {
    await server.stop();
    await model.close();
  });

  async function spent(): Promise<{ calls: number; tokens: number; reserved: Json | undefined; taken: number }> {
    const { usage, quota } = await server.must(admin, "{ usage(input: { groupBy: OPERATION }) { total { calls promptTokens completionTokens } } quota { tokens { limit remaining reserved } } }");
    const total = usage?.["total"];
    const tokens = quota?.["tokens"];
    return {
      calls: Number(total?.["calls"]),
      tokens: Number(total?.["promptTokens"]) + Number(total?.["completionTokens"]),
      reserved: tokens?.["reserved"],
      taken: Number(tokens?.["limit"]) - Number(tokens?.["remaining"]),
    };
  }

  test("not at all is answered, with the model's own figures billed", async () => {
    model.behave("ok");
    const { ask } = await server.must(admin, neighboured, question);
    expect(ask).toMatchObject({ __typename: "Answer", text: expect.stringContaining("six weeks") });
  });

  // Longer than the deadline at one word every 40 ms, and never silent.
  const endlessly = "word ".repeat((2 * requestDeadlineMs) / 40);

  test.each<[string, StubBehaviour, string, string?]>([
    ["that closes every connection", "down", "UPSTREAM_FAILED"],
    ["that answers with HTTP 500", "http-error", "UPSTREAM_FAILED"],
    ["that answers with a page to sign in", "html", "UPSTREAM_FAILED"],
    ["that reports an error within its answer", "error-in-stream", "UPSTREAM_FAILED"],
    ["that falls silent", "silent", "STREAM_STALLED"],
    ["that stops in the middle of its answer", "truncated", "STREAM_TRUNCATED"],
    ["that is slower than the request's deadline", "slow", "DEADLINE_EXCEEDED", endlessly],
  ])("%s gives an error of its field alone, and what was not used is given back", async (_name, behaviour, code, answer) => {
    const before = await spent();
    model.behave(behaviour, answer);
    const failed = await server.ask(admin, neighboured, question);
    expect(failed.status).toBe(200);
    expect(failed.errors).toHaveLength(1);
    expect(failed.errors[0]).toMatchObject({ path: ["ask"], extensions: { code, retryable: true } });
    expect(failed.data).toEqual({ before: { conversation: { title: "Before" } }, ask: null });
    expect(failed.text).not.toMatch(leaks);
    const after = await spent();
    expect(after.reserved).toBe(0);
    // The quota took what the ledger billed, no more: at least the question's embedding, which had been made.
    expect(after.calls).toBeGreaterThan(before.calls);
    expect(after.taken - before.taken).toBe(after.tokens - before.tokens);
    // And less than one answer's upper bound, which was reserved.
    expect(after.tokens - before.tokens).toBeLessThan(1_024);
  });

  test("is asked again without a restart once it is well", async () => {
    model.behave("ok");
    expect((await server.must(admin, neighboured, question))["ask"]?.["__typename"]).toBe("Answer");
  });
});

describe("a database that goes away while requests run", () => {
  const admin = { tenant: "larch" } as const;
  const folder = temporaryFolder("engine");
  let engine: Awaited<ReturnType<typeof startEngineProcess>>;
  let server: TestServer;

  beforeAll(async () => {
    engine = await startEngineProcess(folder.path);
    server = await TestServer.start({ MONGODB_URI: engine.uri, MONGODB_DATABASE: "failures" });
    await server.createTenant("larch", "PRO");
    await server.ingest(admin, "Handbook", handbook.replace("Maple", "Larch"));
  });
  afterAll(async () => {
    await server.stop();
    await engine.command.kill();
    folder.remove();
  });

  test("gives SERVICE_UNAVAILABLE without a word of its insides, readiness fails, and all is served again when it is back", async () => {
    const running = Array.from({ length: 8 }, () => server.ask(admin, neighboured, question));
    await engine.command.kill();
    const cut = await Promise.all(running);
    const refused = await server.ask(admin, neighboured, question);
    for (const answer of [...cut, refused]) expectServedOrUnavailable(answer);
    expect(refused.errors[0]?.extensions).toMatchObject({ code: "SERVICE_UNAVAILABLE", retryable: true });
    expect((await fetch(`${server.url}/health/ready`)).status).toBe(503);
    expect((await fetch(`${server.url}/health/live`)).status).toBe(200);

    engine = await startEngineProcess(folder.path, engine.port);
    const answer = await until(async () => {
      const { data } = await server.ask(admin, neighboured, question);
      return data["ask"]?.["__typename"] === undefined ? undefined : data["ask"];
    });
    expect(answer["text"]).toContain("six weeks");
    expect((await fetch(`${server.url}/health/ready`)).status).toBe(200);
    expect(listOf((await server.must(admin, "{ documents { nodes { title state } } }"))["documents"]?.["nodes"])).toEqual([{ title: "Handbook", state: "READY" }]);
  }, 60_000);
});

function expectServedOrUnavailable({ errors, text }: GraphqlAnswer): void {
  for (const error of errors) expect(error.extensions["code"]).toBe("SERVICE_UNAVAILABLE");
  expect(text).not.toMatch(leaks);
}

describe("the process", () => {
  const folder = temporaryFolder("start");
  let issuer: Issuer;
  beforeAll(async () => {
    issuer = await Issuer.start();
  });
  afterAll(async () => {
    await issuer.close();
    folder.remove();
  });

  async function refusal(environment: Record<string, string>): Promise<string> {
    const command = Command.run("src/main.ts", [], { ...productionOf(issuer, join(folder.path, "unused")), ...environment });
    expect(await command.ended).toEqual({ code: 1, signal: null });
    return command.err;
  }

  test("refuses a PORT that is no number, in one line that names it", async () => {
    expect(await refusal({ PORT: "http" })).toBe('bulkhead: cannot start: PORT: got "http", expected a whole number from 0 to 65535\n');
  });

  test("refuses a PORT that is taken, in one line that names it", async () => {
    const other = createServer().listen(0, "127.0.0.1");
    const { port } = await new Promise<AddressInfo>((done) => other.once("listening", () => done(other.address() as AddressInfo)));
    try {
      expect(await refusal({ PORT: String(port) })).toMatch(/^bulkhead: cannot start: PORT: the port is taken by another process [^\n]+\n$/);
    } finally {
      other.close();
    }
  });

  test("refuses a DATA_DIR that is a file, or lies in one, in one line that names it", async () => {
    const file = join(folder.path, "file");
    writeFileSync(file, "");
    for (const DATA_DIR of [file, join(file, "below")]) {
      expect(await refusal({ DATA_DIR })).toMatch(/^bulkhead: cannot start: DATA_DIR: got [^\n]+expected a folder this user can write to\n$/);
    }
  }, 60_000);

  test("refuses a MONGODB_URI where nothing answers, in one line", async () => {
    expect(await refusal({ MONGODB_URI: "mongodb://127.0.0.1:9/?directConnection=true" })).toMatch(/^bulkhead: cannot start: [^\n]*database[^\n]*\n$/);
  });

  test("refuses a MONGODB_URI whose password the deployment does not take, in one line without it", async () => {
    const engine = await startEngineProcess(join(folder.path, "guarded"), 0, { ENGINE_ROOT_USER: "root", ENGINE_ROOT_PASSWORD: "right" });
    try {
      expect(await refusal({ MONGODB_URI: `mongodb://root:hunter2@127.0.0.1:${engine.port}/?directConnection=true` })).toBe(
        "bulkhead: cannot start: MONGODB_URI: got a user or a password that the deployment does not take, expected those of a user that may create databases\n",
      );
    } finally {
      await engine.command.kill();
    }
  }, 60_000);

  test("refuses the DATA_DIR of a server that runs, which goes on; on SIGINT that one answers what is in flight and exits 0", async () => {
    const model = await startStubModelServer();
    const dataDir = join(folder.path, "data");
    const server = await ServerProcess.start(issuer, dataDir, { MODEL_BASE_URL: model.baseUrl, MODEL_NAME: "stub" });
    try {
      expect(await refusal({ DATA_DIR: dataDir })).toMatch(/^bulkhead: cannot start: DATA_DIR: [^\n]*in use by process \d+[^\n]*\n$/);

      const admin = { tenant: "beech" } as const;
      await server.must("operator", 'mutation { createTenant(input: { id: "beech", name: "Beech", tier: PRO }) { tenant { id } } }');
      const { ingestDocument } = await server.must(admin, "mutation ($input: IngestDocumentInput!) { ingestDocument(input: $input) { document { id } } }", { input: { title: "Handbook", content: handbook, mediaType: "MARKDOWN" } });
      const id = ingestDocument?.["document"]?.["id"];
      await until(async () => (String((await server.must(admin, "query ($id: ID!) { document(id: $id) { state } }", { id }))["document"]?.["state"]) === "READY" ? true : undefined));
      // About 2 s of words: long after the signal, within the drain.
      model.behave("slow", "word ".repeat(50));
      const inFlight = server.ask(admin, neighboured, question);
      await until(() => Promise.resolve(model.requests.length > 0 ? true : undefined));
      const ended = server.command.kill("SIGINT");
      const answer = await inFlight;
      expect(answer.errors).toEqual([]);
      expect(String(answer.data["ask"]?.["text"]).match(/word/g)).toHaveLength(50);
      expect(await ended).toEqual({ code: 0, signal: null });
      expect(server.command.err).toBe("");
      await expect(fetch(`${server.url}/health/live`)).rejects.toThrow();
    } finally {
      await server.command.kill();
      await model.close();
    }
  }, 60_000);
});
