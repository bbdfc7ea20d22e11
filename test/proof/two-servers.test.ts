/**
 * Two servers as processes on one engine over TCP.
 * PROOF_ASKS: concurrent questions against one limit, 40 by default. PROOF_MOVES: moves under load, 2 by default.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Issuer, ServerProcess, startEngineProcess, temporaryFolder } from "../support/server-process.js";
import { askText, Client, createTenant, documentsOf, eventually, nothingTold, settled, tokensOf } from "./client.js";

const asks = Number(process.env["PROOF_ASKS"] ?? 40);
const moves = Number(process.env["PROOF_MOVES"] ?? 2);

/** Of tier FREE, as `tenants/tiers.json` has them. */
const freeTokensPerMinute = 20_000;
const freeRequestsPerMinute = 60;

/** Two writers and a reader stay below the 600 requests a minute of PRO. */
const pauseMs = 400;

/** The promise of the public surface. */
const suspensionMsMax = 1_000;

describe("two servers on one engine", () => {
  const folders = [temporaryFolder("engine"), temporaryFolder("first"), temporaryFolder("second")] as const;
  let issuer: Issuer;
  let engine: Awaited<ReturnType<typeof startEngineProcess>>;
  let first: ServerProcess;
  let second: ServerProcess;

  beforeAll(async () => {
    issuer = await Issuer.start();
    engine = await startEngineProcess(folders[0].path);
    first = await ServerProcess.start(issuer, folders[1].path, { MONGODB_URI: engine.uri });
    second = await ServerProcess.start(issuer, folders[2].path, { MONGODB_URI: engine.uri });
  }, 120_000);

  afterAll(async () => {
    await Promise.all([first.command.kill(), second.command.kill()]);
    await engine.command.kill();
    await issuer.close();
    for (const folder of folders) folder.remove();
  });

  test(`admit of ${asks} large questions at once, over both, no more than one tenant's limit of tokens`, async () => {
    await createTenant(first, "spruce", "FREE");
    // About 1,500 tokens, embedded and then read by the model: a few fill the minute.
    const large = { input: { question: `What does a pallet of cement cost? ${"Please consider every price list carefully. ".repeat(170)}` } };
    const answers = await Promise.all(Array.from({ length: asks }, (_, index) => (index % 2 === 0 ? first : second).ask({ tenant: "spruce" }, askText, large)));
    const kinds = answers.map(({ data, status }) => (status === 429 ? "429" : String(data["ask"]?.["__typename"] ?? "error")));
    const spent = answers.reduce((sum, { data }) => sum + (String(data["ask"]?.["__typename"]) === "Answer" ? tokensOf(data["ask"]?.["usage"]) : 0), 0);
    expect(kinds.filter((kind) => kind === "Answer").length).toBeGreaterThan(0);
    expect(kinds).toContain("Refusal");
    for (const { data } of answers.filter((answer) => String(answer.data["ask"]?.["__typename"]) === "Refusal")) expect(data["ask"]?.["code"]).toBe("RATE_LIMITED");
    expect(kinds).not.toContain("error");
    expect(spent).toBeGreaterThan(0);
    expect(spent).toBeLessThanOrEqual(freeTokensPerMinute);
  }, 90_000);

  test("admit of twice as many requests as a minute allows, over both, no more than the limit", async () => {
    await createTenant(first, "willow", "FREE");
    const answers = await Promise.all(Array.from({ length: 2 * freeRequestsPerMinute }, (_, index) => (index % 2 === 0 ? first : second).ask({ tenant: "willow" }, "{ viewer { tier } }")));
    const statuses = answers.map(({ status }) => status);
    expect(new Set(statuses)).toEqual(new Set([200, 429]));
    expect(statuses.filter((status) => status === 200).length).toBeLessThanOrEqual(freeRequestsPerMinute);
  }, 90_000);

  test("stop serving a tenant that is suspended on the other within a second", async () => {
    await createTenant(first, "poplar", "PRO");
    expect((await second.ask({ tenant: "poplar" }, "{ viewer { tier } }")).status).toBe(200);
    await first.must("operator", 'mutation { suspendTenant(input: { tenantId: "poplar" }) { tenant { state } } }');
    const suspendedAt = performance.now();
    let served = 0;
    for (;;) {
      const askedAt = performance.now();
      if ((await second.ask({ tenant: "poplar" }, "{ viewer { tier } }")).status === 403) break;
      served = askedAt - suspendedAt;
      expect(served, "still served").toBeLessThan(suspensionMsMax);
      await sleep(20);
    }
    process.stdout.write(`last served ${Math.round(served)} ms after the suspension\n`);
  }, 60_000);

  test(`lose nothing in ${moves} moves that one begins while the other reads and writes`, async () => {
    const tenant = "redwood";
    await createTenant(first, tenant, "PRO");
    const told = nothingTold();
    const client = new Client(tenant, told);
    await client.ingest(second);
    const stop = new AbortController();
    const until = async (work: () => Promise<void>): Promise<void> => {
      while (!stop.signal.aborted) {
        await work();
        await sleep(pauseMs);
      }
    };
    const read = async (): Promise<void> => {
      const before = new Set(told.documents);
      const found = await documentsOf(second, tenant);
      // What was acknowledged before the read began is in it, from whichever home it was served.
      for (const id of before) expect(found.has(id), `document ${id}`).toBe(true);
    };
    const load = Promise.all([until(() => client.ingest(second)), until(() => client.ingest(second)), until(read)]);
    for (let move = 0; move < moves; move += 1) {
      const tier = move % 2 === 0 ? "ENTERPRISE" : "PRO";
      await first.must("operator", "mutation ($input: ChangeTierInput!) { changeTier(input: $input) { placementMove { id } } }", { input: { tenantId: tenant, tier } });
      const { placement, latestMove } = await settled(first, tenant);
      expect({ placement, latestMove }).toEqual({ placement: tier === "ENTERPRISE" ? "SILO" : "POOL", latestMove: { phase: "DONE", failure: null } });
    }
    stop.abort();
    await load;
    expect(told.errors).toEqual([]);
    expect(told.documents.size).toBeGreaterThan(2);
    const documents = await eventually(async () => {
      const found = await documentsOf(second, tenant);
      return [...found.values()].every((state) => state === "READY") ? found : undefined;
    });
    expect([...documents.keys()].toSorted()).toEqual([...told.documents].toSorted());
    process.stdout.write(`${told.documents.size} documents written during ${moves} moves, all present\n`);
  }, 200_000);
});
