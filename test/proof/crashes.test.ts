/**
 * The whole server, killed with SIGKILL at random moments while it ingests, answers and moves a tenant.
 * PROOF_KILLS: how often, 3 by default.
 */
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { MongoClient } from "mongodb";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startEngine } from "../../src/embedded/start-engine.js";
import { movingCollections } from "../../src/storage/moving/moving-collections.js";
import { listOf } from "../acceptance/server.js";
import { Issuer, ServerProcess, temporaryFolder } from "../support/server-process.js";
import { askText, Client, createTenant, documentsOf, eventually, nothingTold, question, settled, spentBy, type Told } from "./client.js";

const kills = Number(process.env["PROOF_KILLS"] ?? 3);
/** A kill comes anywhere between the start of a move and its end. */
const killAfterMsMax = 3_000;
const pauseMs = 40;

describe(`a server that is killed ${kills} times`, () => {
  const tenant = "juniper";
  const folder = temporaryFolder("crash");
  const told: Told = nothingTold();
  let issuer: Issuer;
  let server: ServerProcess;

  beforeAll(async () => {
    issuer = await Issuer.start();
    server = await ServerProcess.start(issuer, folder.path);
    await createTenant(server, tenant, "PRO");
    const client = new Client(tenant, told);
    await client.ingest(server);
    await eventually(async () => ([...(await documentsOf(server, tenant)).values()].every((state) => state === "READY") ? true : undefined));
    for (let round = 0; round < kills; round += 1) await killedRound(client, round);
  }, 280_000);

  afterAll(async () => {
    await server.command.kill();
    await issuer.close();
    folder.remove();
  });

  async function killedRound(client: Client, round: number): Promise<void> {
    const stop = new AbortController();
    const forever = async (work: () => Promise<void>): Promise<void> => {
      while (!stop.signal.aborted) {
        await work();
        await sleep(pauseMs);
      }
    };
    const victim = server;
    const answered = told.answers.size;
    const load = [forever(() => client.ingest(victim)), forever(() => client.ask(victim)), forever(() => client.ask(victim))];
    // The embedding model takes its time to load: a kill before the first answer would meet no work.
    await eventually(() => Promise.resolve(told.answers.size > answered ? true : undefined));
    // May be refused, when the move of the round before is still under way: then that one is what the kill meets.
    const tier = round % 2 === 0 ? "ENTERPRISE" : "PRO";
    const moving = victim.ask("operator", "mutation ($input: ChangeTierInput!) { changeTier(input: $input) { placementMove { id } } }", { input: { tenantId: tenant, tier } }).catch(() => undefined);
    const delay = Math.random() * killAfterMsMax;
    await sleep(delay);
    await victim.command.kill();
    stop.abort();
    await Promise.all([...load, moving]);
    process.stdout.write(`kill ${round + 1} after ${Math.round(delay)} ms: ${told.documents.size} documents and ${told.answers.size} answers acknowledged so far\n`);
    server = await ServerProcess.start(issuer, folder.path);
  }

  test("had work to lose", () => {
    expect(told.documents.size).toBeGreaterThan(kills);
    expect(told.answers.size).toBeGreaterThan(kills);
  });

  test("has every document whose ingest was acknowledged, READY in the end, and none that nobody sent", async () => {
    await settled(server, tenant);
    const documents = await eventually(async () => {
      const found = await documentsOf(server, tenant);
      return [...found.values()].some((state) => state === "PENDING" || state === "INDEXING") ? undefined : found;
    });
    for (const id of told.documents) expect(documents.get(id), `document ${id}`).toBe("READY");
    expect(documents.size).toBeLessThanOrEqual(told.documents.size + told.unknownWrites);
  }, 120_000);

  test("has the ledger rows of every answer that was delivered, token by token, and no more rows than questions", async () => {
    for (const [user, tokens] of told.answers) {
      // One for the question's embedding, one for the completion.
      expect(await spentBy(server, tenant, user), user).toEqual({ calls: 2, tokens });
    }
    const { usage } = await server.must({ tenant }, "{ usage(input: { groupBy: OPERATION }) { groups { key total { calls } } } }");
    const asked = listOf(usage?.["groups"]).find(({ key }) => String(key) === "ask");
    const calls = Number(asked?.["total"]?.["calls"]);
    expect(calls).toBeGreaterThanOrEqual(2 * told.answers.size);
    expect(calls).toBeLessThanOrEqual(2 * (told.answers.size + told.unknownAnswers));
  }, 120_000);

  test("answers, and takes new documents, in the home that the tenant's tier calls for", async () => {
    const { tier, placement } = await settled(server, tenant);
    expect(placement).toBe(String(tier) === "ENTERPRISE" ? "SILO" : "POOL");
    const { ask } = await server.must({ tenant }, askText, question);
    expect(ask).toMatchObject({ __typename: "Answer", text: expect.stringMatching(/\d+ EUR/) });
    const before = told.documents.size;
    await new Client(tenant, told).ingest(server);
    expect(told.documents.size).toBe(before + 1);
  }, 120_000);

  test("holds the tenant's rows in one database alone", async () => {
    const { placement } = await settled(server, tenant);
    await server.command.kill("SIGTERM");
    const engine = await startEngine({ dir: join(folder.path, "engine"), listen: { socketPath: join(folder.path, "proof.sock") } });
    const client = await new MongoClient(engine.uri).connect();
    try {
      const { databases } = await client.db("admin").admin().listDatabases({ nameOnly: true });
      const holders: string[] = [];
      for (const { name } of databases.filter((database) => database.name !== "bulkhead_control")) {
        const counts = await Promise.all(movingCollections.map((collection) => client.db(name).collection(collection).countDocuments({ tenant_id: tenant })));
        if (counts.some((count) => count > 0)) holders.push(name);
      }
      expect(holders).toHaveLength(1);
      expect(holders[0]?.startsWith(`bulkhead_${tenant}_`)).toBe(String(placement) === "SILO");
      if (String(placement) === "POOL") expect(holders).toEqual(["bulkhead_pool"]);
    } finally {
      await client.close();
      await engine.close();
    }
  }, 60_000);
});
