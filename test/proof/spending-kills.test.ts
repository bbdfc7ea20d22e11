/**
 * Processes that are killed with SIGKILL while their calls are between reservation and settlement.
 * PROOF_SPENDING_KILLS: how many, 100 by default.
 */
import { MongoClient } from "mongodb";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { silentTelemetry } from "../../src/kernel/telemetry.js";
import { openMongoCounterStore } from "../../src/quotas/mongo-counter-store.js";
import { TenantBudgets } from "../../src/quotas/tenant-budgets.js";
import { TenantQuotas } from "../../src/quotas/tenant-quotas.js";
import { openControlPlane } from "../../src/storage/control/open-control-plane.js";
import { declareCollections } from "../../src/storage/declare-collections.js";
import { connectMongo } from "../../src/storage/mongo-connection.js";
import { contextOf, priceBook } from "../metering/spend-fixtures.js";
import { Child } from "../support/child.js";
import { testEmbedding } from "../support/homes.js";
import { inLanes } from "../support/in-lanes.js";
import { startEngineProcess, temporaryFolder } from "../support/server-process.js";
import type { SpendingErrand, SpendingNews } from "../support/spending-worker.js";
import { startStubModelServer, type StubModelServer } from "../support/stub-model-server.js";

const kills = Number(process.env["PROOF_SPENDING_KILLS"] ?? 100);
/** An answer of the slow model takes about 200 ms: kills come at every moment of it. */
const killAfterMsMax = 700;
const callers = 4;
const model = "gpt-4o-mini";
const answer = "It costs 120 EUR net.";
const usage = { promptTokens: 123, completionTokens: 5 };
const database = "kills";
const tenant = "birch";
const policy = { tokensPerMinute: 10_000_000, budgetDayMicroUsd: 1_000_000_000, budgetMonthMicroUsd: 10_000_000_000, concurrentCalls: 100_000 };
const context = contextOf({ tenant, policy });
const cost = priceBook.price("COMPLETION", model, usage, new Date()).costMicroUsd;

interface Row {
  readonly request_id: string;
  readonly prompt_tokens: number;
  readonly completion_tokens: number;
  readonly cost_micro_usd: number;
  readonly outcome: string;
}

describe(`calls whose server is killed, ${kills} times`, () => {
  const folder = temporaryFolder("kills");
  const told = new Map<string, Extract<SpendingNews, { kind: "TOLD" }>>();
  let engine: Awaited<ReturnType<typeof startEngineProcess>>;
  let client: MongoClient;
  let stub: StubModelServer;
  let quotas: TenantQuotas;
  let budgets: TenantBudgets;
  let killedAt = 0;

  beforeAll(async () => {
    engine = await startEngineProcess(folder.path);
    stub = await startStubModelServer();
    stub.behave("slow", answer);
    client = await connectMongo({ uri: engine.uri, local: true, appName: "kills", maxPoolSize: 10, telemetry: silentTelemetry });
    await declareCollections(client.db(database), "CONTROL", "POOL", testEmbedding);
    const control = openControlPlane(client, client.db(database), { current: Buffer.alloc(32, 1) });
    quotas = new TenantQuotas(await openMongoCounterStore(control.limiterStore), silentTelemetry);
    budgets = new TenantBudgets(control.spending, control.ledgerOf.bind(control), silentTelemetry);
  });
  afterAll(async () => {
    await budgets.close();
    await client.close();
    await Promise.all([engine.command.kill(), stub.close()]);
    folder.remove();
  });

  async function killOne(number: number): Promise<void> {
    const child = Child.start<SpendingNews>("spending-worker.ts", [engine.uri, database]);
    // Heard as it comes: what a client was told before the kill was told, whoever is alive.
    child.process.on("message", (message) => {
      const news = message as SpendingNews;
      if (news !== "READY" && news.kind === "TOLD") told.set(news.requestId, news);
    });
    expect(await child.hear()).toBe("READY");
    child.tell({ kind: "ANSWER", tenant, name: `server-${number}`, policy, callers, modelUrl: stub.baseUrl } satisfies SpendingErrand);
    await sleep(Math.random() * killAfterMsMax);
    await child.kill();
    killedAt = performance.now();
  }

  const rowsOf = (): Promise<Row[]> => client.db(database).collection<Row>("usage").find({ tenant_id: tenant }).toArray();

  test("leave one row for each answer that a client was told, and at most one of the same amount for each that nobody heard of", async () => {
    expect(await inLanes(Array.from({ length: kills }, (_, number) => number), 2, String, killOne)).toEqual([]);
    const rows = await rowsOf();
    const held = (await budgets.view(context))?.day?.reservedMicroUsd ?? 0;
    process.stdout.write(`${kills} kills: ${stub.requests.length} calls of the model, ${told.size} told, ${rows.length} rows, ${held} micro-dollars still held\n`);
    // Else no kill has come between reservation and settlement, and nothing was proved.
    expect(held).toBeGreaterThan(0);
    expect(stub.requests.length).toBeGreaterThan(rows.length);
    expect(told.size).toBeGreaterThan(0);
    expect(new Set(rows.map(({ request_id }) => request_id)).size).toBe(rows.length);
    for (const row of rows) expect(row).toMatchObject({ prompt_tokens: usage.promptTokens, completion_tokens: usage.completionTokens, outcome: "OK" });
    for (const row of rows) expect(Number(row.cost_micro_usd)).toBe(cost);
    const written = new Set(rows.map(({ request_id }) => request_id));
    for (const { requestId, tokens, costMicroUsd } of told.values()) expect([written.has(requestId), tokens, costMicroUsd]).toEqual([true, usage.promptTokens + usage.completionTokens, cost]);
    // At most one answer of each caller was finished and not yet told.
    expect(rows.length - told.size).toBeLessThanOrEqual(kills * callers);
  }, 600_000);

  test("hold nothing of the budget after 60 s, and its figures equal the ledger", async () => {
    const spent = (await rowsOf()).length * cost;
    for (;;) {
      const day = (await budgets.view(context))?.day;
      const waitedMs = performance.now() - killedAt;
      if (day?.reservedMicroUsd === 0) {
        process.stdout.write(`The last hold came back ${Math.round(waitedMs / 1_000)} s after the last kill\n`);
        expect(waitedMs).toBeLessThan(60_000);
        expect(day.spentMicroUsd).toBe(spent);
        return;
      }
      expect(waitedMs).toBeLessThan(60_000);
      await sleep(250);
    }
  }, 120_000);

  test("hold no tokens of the minute once it is over", async () => {
    // A sub-window more than a minute, as `src/quotas/README.md` says.
    const freeAt = killedAt + 66_000;
    await sleep(Math.max(0, freeAt - performance.now()));
    expect((await quotas.view(context)).tokens).toMatchObject({ limit: policy.tokensPerMinute, remaining: policy.tokensPerMinute });
  }, 120_000);
});
