/**
 * Server processes with 50 concurrent callers each on one small limit and one small budget.
 * PROOF_SPEND_SECONDS: how long they spend, 75 by default, which is longer than the window.
 */
import { MongoClient } from "mongodb";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { declareCollections } from "../../src/storage/declare-collections.js";
import { Child } from "../support/child.js";
import { testEmbedding } from "../support/homes.js";
import { startTestRedis } from "../support/redis.js";
import { startEngineProcess, temporaryFolder } from "../support/server-process.js";
import type { Admission, SpendingErrand, SpendingNews } from "../support/spending-worker.js";

const seconds = Number(process.env["PROOF_SPEND_SECONDS"] ?? 75);
const callers = 50;
const tokensPerMinute = 20_000;
const reserveTokens = 100;
const redis = await startTestRedis();
if (redis === undefined) process.stdout.write("Skipped: limits in Redis, since REDIS_TEST_URL is not set and this machine has no redis-server\n");

interface Spent {
  readonly admissions: readonly Admission[];
  readonly refusals: number;
  readonly failures: number;
}

describe("server processes that spend at one time", () => {
  const folder = temporaryFolder("spending");
  let engine: Awaited<ReturnType<typeof startEngineProcess>>;
  let client: MongoClient;
  let databases = 0;

  beforeAll(async () => {
    engine = await startEngineProcess(folder.path);
    client = await MongoClient.connect(engine.uri);
  });
  afterAll(async () => {
    await client.close();
    await Promise.all([engine.command.kill(), redis?.stop()]);
    folder.remove();
  });

  async function spend(servers: number, forSeconds: number, policy: SpendingErrand["policy"], redisUrl: string | undefined): Promise<Spent & { readonly rows: { count: number; tokens: number; costMicroUsd: number } }> {
    const database = `spending_${(databases += 1)}`;
    await declareCollections(client.db(database), "CONTROL", "POOL", testEmbedding);
    const tenant = `t-${process.pid}-${databases}`;
    const children = Array.from({ length: servers }, () => Child.start<SpendingNews>("spending-worker.ts", [engine.uri, database, redisUrl ?? ""]));
    try {
      for (const child of children) expect(await child.hear()).toBe("READY");
      const untilMs = Date.now() + forSeconds * 1_000;
      // The barrier: all are ready before the first is told.
      children.forEach((child, at) => child.tell({ kind: "SPEND", tenant, name: `server-${at}`, policy, callers, untilMs, reserveTokens } satisfies SpendingErrand));
      const news = await Promise.all(children.map((child) => child.hear()));
      const spent = news.flatMap((one) => (typeof one === "object" && one.kind === "SPENT" ? [one] : []));
      expect(spent).toHaveLength(servers);
      const [rows] = await client.db(database).collection("usage").aggregate<{ count: number; tokens: number; costMicroUsd: number }>([{ $group: { _id: null, count: { $sum: 1 }, tokens: { $sum: "$prompt_tokens" }, costMicroUsd: { $sum: "$cost_micro_usd" } } }]).toArray();
      return {
        admissions: spent.flatMap(({ admissions }) => admissions),
        refusals: spent.reduce((sum, { refusals }) => sum + refusals, 0),
        failures: spent.reduce((sum, { failures }) => sum + failures, 0),
        rows: { count: rows?.count ?? 0, tokens: rows?.tokens ?? 0, costMicroUsd: Number(rows?.costMicroUsd ?? 0) },
      };
    } finally {
      await Promise.all(children.map((child) => child.kill()));
    }
  }

  const stores = [["MongoDB", undefined], ...(redis === undefined ? [] : [["Redis", redis.url]])] as [string, string | undefined][];
  const cases = stores.flatMap(([store, url]) => [
    { store, url, servers: 8, forSeconds: seconds },
    { store, url, servers: 2, forSeconds: Math.min(seconds, 20) },
  ]);

  test.each(cases)("$servers servers with 50 callers each, counting in $store, pass no more than the limit in any 60 seconds, and use at least 90 % of it", async ({ store, url, servers, forSeconds }) => {
    const spent = await spend(servers, forSeconds, { tokensPerMinute, budgetDayMicroUsd: undefined, budgetMonthMicroUsd: undefined, concurrentCalls: undefined }, url);
    const most = mostInAMinute(spent.admissions);
    process.stdout.write(`${store}, ${servers} servers, ${forSeconds} s: at most ${most} of ${tokensPerMinute} tokens in any 60 s, ${spent.admissions.length} calls passed, ${spent.refusals} refused, ${spent.failures} not counted in time\n`);
    expect(most).toBeLessThanOrEqual(tokensPerMinute);
    expect(most).toBeGreaterThanOrEqual(tokensPerMinute * 0.9);
    expect(spent.rows).toMatchObject({ count: spent.admissions.length, tokens: spent.admissions.reduce((sum, { tokens }) => sum + tokens, 0) });
  });

  test("8 servers with 50 callers each spend no micro-dollar over one budget, and at least 90 % of it", async () => {
    const budgetDayMicroUsd = 4_000;
    const spent = await spend(8, Math.max(seconds, 45), { tokensPerMinute: 1_000_000_000, budgetDayMicroUsd, budgetMonthMicroUsd: undefined, concurrentCalls: undefined }, undefined);
    process.stdout.write(`Budget, 8 servers: ${spent.rows.costMicroUsd} of ${budgetDayMicroUsd} micro-dollars, ${spent.admissions.length} calls passed, ${spent.refusals} refused, ${spent.failures} not counted in time\n`);
    expect(spent.rows.costMicroUsd).toBeLessThanOrEqual(budgetDayMicroUsd);
    expect(spent.rows.costMicroUsd).toBeGreaterThanOrEqual(budgetDayMicroUsd * 0.9);
    expect(spent.rows.costMicroUsd).toBe(spent.admissions.reduce((sum, { costMicroUsd }) => sum + costMicroUsd, 0));
  });
});

/** Of all spans of 60 s, the one with the most tokens. */
function mostInAMinute(admissions: readonly Admission[]): number {
  const inOrder = admissions.toSorted((a, b) => a.at - b.at);
  let [most, sum, first] = [0, 0, 0];
  for (const { at, tokens } of inOrder) {
    sum += tokens;
    for (let oldest = inOrder[first]; oldest !== undefined && oldest.at <= at - 60_000; oldest = inOrder[first]) {
      sum -= oldest.tokens;
      first += 1;
    }
    most = Math.max(most, sum);
  }
  return most;
}
