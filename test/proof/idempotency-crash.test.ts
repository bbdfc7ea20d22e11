/**
 * A server that is killed with SIGKILL while it answers a question with a key, and another that is sent the key next.
 * PROOF_KEY_KILLS: kills at random moments, 2 by default, after one in the middle of the model's answer.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { internal } from "../../src/kernel/errors.js";
import { listOf, type Json } from "../acceptance/server.js";
import { Issuer, ServerProcess, startEngineProcess, temporaryFolder } from "../support/server-process.js";
import { startStubModelServer, type StubModelServer } from "../support/stub-model-server.js";
import { Client, createTenant, documentsOf, eventually, nothingTold } from "./client.js";

const kills = Number(process.env["PROOF_KEY_KILLS"] ?? 2);
/** Embedding, search, two calls' rows and the keeping of the answer take less. */
const killAfterMsMax = 400;

const tenant = "alder";
const model = "gpt-4o-mini";
const askText = "mutation ($input: AskInput!) { ask(input: $input) { ... on Answer { id text replayed usage { promptTokens completionTokens costMicroUsd } citations { chunkId } } ... on Refusal { code } } }";
const inputOf = (key: string) => ({ input: { question: "What does a pallet of cement cost?", idempotencyKey: key, model, skipCache: true } });

/** As a client does that reads `retryable`: a transaction the dead server left open holds its key up until the database ends it. */
async function ask(server: ServerProcess, user: string): Promise<Json> {
  return eventually(async () => {
    const { data, errors, text } = await server.ask({ tenant, user }, askText, inputOf(`key of ${user}`));
    if (errors.some(({ extensions }) => extensions["code"] === "SERVICE_UNAVAILABLE" && extensions["retryable"] === true)) return undefined;
    if (errors.length > 0) throw internal(`The server answered ${text}`);
    return data["ask"];
  });
}

describe("a key whose server was killed", () => {
  const folders = [temporaryFolder("engine"), temporaryFolder("victim"), temporaryFolder("other")] as const;
  let issuer: Issuer;
  let engine: Awaited<ReturnType<typeof startEngineProcess>>;
  let stub: StubModelServer;
  let victim: ServerProcess;
  let other: ServerProcess;

  const start = (folder: string): Promise<ServerProcess> => ServerProcess.start(issuer, folder, { MONGODB_URI: engine.uri, MODEL_BASE_URL: stub.baseUrl, MODEL_NAME: model });

  /** What the ledger has of the user's calls of the model. */
  async function completionsOf(user: string): Promise<{ calls: number; completionTokens: number }> {
    const { usage } = await other.must({ tenant, roles: ["member"], user }, "{ usage(input: { groupBy: MODEL }) { groups { key total { calls completionTokens } } } }");
    const total = listOf(usage?.["groups"]).find(({ key }) => String(key) === model)?.["total"];
    return { calls: Number(total?.["calls"] ?? 0), completionTokens: Number(total?.["completionTokens"] ?? 0) };
  }

  beforeAll(async () => {
    issuer = await Issuer.start();
    stub = await startStubModelServer();
    stub.behave("ok", "120 EUR [1].");
    engine = await startEngineProcess(folders[0].path);
    other = await start(folders[2].path);
    victim = await start(folders[1].path);
    await createTenant(other, tenant, "PRO");
    await new Client(tenant, nothingTold()).ingest(other);
    await eventually(async () => ([...(await documentsOf(other, tenant)).values()].includes("READY") ? true : undefined));
    // The embedding model and the tokenizer are loaded when the first kill comes.
    await Promise.all([ask(victim, "warm"), ask(other, "warm")]);
  }, 200_000);

  afterAll(async () => {
    await Promise.all([victim.command.kill(), other.command.kill()]);
    await engine.command.kill();
    await Promise.all([stub.close(), issuer.close()]);
    for (const folder of folders) folder.remove();
  });

  test("in the middle of the model's answer is taken over: one answer, of which the ledger has the call that gave it", async () => {
    stub.behave("silent");
    const before = stub.requests.length;
    const lost = ask(victim, "ada").catch(() => "lost");
    await eventually(() => Promise.resolve(stub.requests.length > before ? true : undefined));
    await victim.command.kill();
    expect(await lost).toBe("lost");
    stub.behave("ok", "120 EUR [1].");
    const startedAt = performance.now();
    const taken = await ask(other, "ada");
    process.stdout.write(`taken over after ${Math.round(performance.now() - startedAt)} ms\n`);
    expect(taken).toMatchObject({ text: "120 EUR [1].", replayed: false });
    victim = await start(folders[1].path);
    for (const server of [victim, other]) expect(await ask(server, "ada")).toEqual({ ...taken, replayed: true });
    expect(stub.requests.length - before).toBe(2);
    expect(await completionsOf("ada")).toEqual({ calls: 1, completionTokens: Number(taken["usage"]?.["completionTokens"]) });
  }, 120_000);

  test(`${kills} times at random moments has one answer for everybody after, and one row for each call that ended`, async () => {
    for (let round = 0; round < kills; round += 1) {
      const user = `asker-${round}`;
      const before = stub.requests.length;
      const first = ask(victim, user).catch(() => undefined);
      const delay = Math.random() * killAfterMsMax;
      await sleep(delay);
      await victim.command.kill();
      const told = await first;
      const [next, twin] = await Promise.all([ask(other, user), ask(other, user)]);
      expect(next["id"]).toEqual(twin["id"]);
      if (told !== undefined) expect(next).toEqual({ ...told, replayed: true });
      victim = await start(folders[1].path);
      expect(await ask(victim, user)).toEqual({ ...next, replayed: true });
      const [asked, { calls, completionTokens }] = [stub.requests.length - before, await completionsOf(user)];
      process.stdout.write(`kill ${round + 1} after ${Math.round(delay)} ms: ${told === undefined ? "lost" : "told"}, ${asked} calls of the model, ${calls} rows\n`);
      // At least the call whose answer everybody has; the dead server's own when it came so far.
      expect(asked).toBeLessThanOrEqual(2);
      expect(calls).toBeGreaterThanOrEqual(1);
      expect(calls).toBeLessThanOrEqual(asked);
      expect(completionTokens).toBe(calls * Number(next["usage"]?.["completionTokens"]));
    }
  }, 280_000);
});
