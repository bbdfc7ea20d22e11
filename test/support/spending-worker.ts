/** What spends of a server, as a process of its own: the door with its quotas, budgets and ledger on stores that others share. Told what to spend by the proofs. */
import { setTimeout as sleep } from "node:timers/promises";
import { OpenAiChat } from "../../src/inference/openai-chat.js";
import { Deadline } from "../../src/kernel/deadline.js";
import { isRefusal } from "../../src/kernel/refusal.js";
import { silentTelemetry } from "../../src/kernel/telemetry.js";
import type { MeteredCall } from "../../src/metering/door.js";
import { FairQueue } from "../../src/metering/fair-queue.js";
import { MeteredDoor } from "../../src/metering/metered.js";
import { TurnQueues } from "../../src/metering/turn-queues.js";
import { openMongoCounterStore } from "../../src/quotas/mongo-counter-store.js";
import { openRedisCounterStore } from "../../src/quotas/redis-counter-store.js";
import { TenantBudgets } from "../../src/quotas/tenant-budgets.js";
import { TenantQuotas } from "../../src/quotas/tenant-quotas.js";
import { openControlPlane } from "../../src/storage/control/open-control-plane.js";
import { connectMongo } from "../../src/storage/mongo-connection.js";
import type { TierPolicy } from "../../src/tenancy/tier-policy.js";
import { contextOf, recorderOf } from "../metering/spend-fixtures.js";

interface Spender {
  readonly tenant: string;
  /** Begins the request ids, so that no two processes make one row. */
  readonly name: string;
  readonly policy: Partial<TierPolicy>;
  readonly callers: number;
}

/** `SPEND`: as many calls as the limits let through, until `untilMs`. `ANSWER`: answers of a model over HTTP, until it is killed. */
export type SpendingErrand =
  | (Spender & { readonly kind: "SPEND"; readonly untilMs: number; readonly reserveTokens: number })
  | (Spender & { readonly kind: "ANSWER"; readonly modelUrl: string });

export interface Admission {
  /** Before the reservation: never later than the moment that the limits count it for. */
  readonly at: number;
  readonly tokens: number;
  readonly costMicroUsd: number;
}

/** What was spent, or, for each answer, what its client is told. */
export type SpendingNews = "READY" | { readonly kind: "SPENT"; readonly admissions: readonly Admission[]; readonly refusals: number; readonly failures: number } | ({ readonly kind: "TOLD"; readonly requestId: string } & Omit<Admission, "at">);

const [uri = "", database = "", redisUrl = ""] = process.argv.slice(2);
const client = await connectMongo({ uri, local: true, appName: "spending-worker", maxPoolSize: 10, telemetry: silentTelemetry });
const control = openControlPlane(client, client.db(database), { current: Buffer.alloc(32, 1) });
const counters = redisUrl === "" ? await openMongoCounterStore(control.limiterStore) : await openRedisCounterStore(redisUrl, silentTelemetry);
const ledgerOf = control.ledgerOf.bind(control);
const budgets = new TenantBudgets(control.spending, ledgerOf, silentTelemetry);
const queue = new FairQueue({ slots: 1_000, waitingPerTenantMax: 1_000 });
const recorder = recorderOf({ append: (row) => ledger.append(row), report: (...asked) => ledger.report(...asked) }, silentTelemetry);
const door = new MeteredDoor(new TenantQuotas(counters, silentTelemetry), budgets, new TurnQueues(queue, new Map([["default", queue]]), () => "default"), recorder, silentTelemetry);
let ledger = ledgerOf(contextOf());

process.on("message", (message) => {
  const errand = message as SpendingErrand;
  ledger = ledgerOf(contextOf({ tenant: errand.tenant }));
  void (errand.kind === "SPEND" ? spend(errand) : answer(errand));
});
say("READY");

function say(news: SpendingNews): void {
  process.send?.(news);
}

async function spend(errand: Extract<SpendingErrand, { kind: "SPEND" }>): Promise<void> {
  const admissions: Admission[] = [];
  const counts = { refusals: 0, failures: 0 };
  let calls = 0;
  const caller = async (): Promise<void> => {
    while (Date.now() < errand.untilMs) {
      const requestId = `${errand.name}-${(calls += 1)}`;
      const used = 1 + Math.floor(Math.random() * errand.reserveTokens);
      const at = Date.now();
      let costMicroUsd = 0;
      const call = callOf(errand.reserveTokens, (cost) => (costMicroUsd = cost));
      try {
        const result = await door.run(contextOf({ tenant: errand.tenant, policy: errand.policy, requestId }), Deadline.after(20_000), call, async () => {
          await sleep(Math.random() * 20);
          return { value: "done", usage: { promptTokens: used, completionTokens: 0 } };
        });
        if (!isRefusal(result)) admissions.push({ at, tokens: used, costMicroUsd });
        else {
          counts.refusals += 1;
          await sleep(Math.min(result.retryAfterMs ?? 1_000, 50 + Math.random() * 200));
        }
      } catch {
        // The store was too slow, and nothing was spent. Whether that is so, the ledger tells.
        counts.failures += 1;
        await sleep(100);
      }
    }
  };
  await Promise.all(Array.from({ length: errand.callers }, caller));
  await budgets.close();
  say({ kind: "SPENT", admissions, ...counts });
}

async function answer(errand: Extract<SpendingErrand, { kind: "ANSWER" }>): Promise<never> {
  const counter = { count: (text: string) => Math.ceil(text.length / 4) };
  const backend = new OpenAiChat({ baseUrl: errand.modelUrl, models: ["gpt-4o-mini"] }, counter);
  const request = { model: "gpt-4o-mini", question: "What does it cost?", history: [], passages: [], maxTokens: 100, userTag: "tag_u", canary: "canary" };
  let calls = 0;
  const caller = async (): Promise<void> => {
    for (;;) {
      const requestId = `${errand.name}-${(calls += 1)}`;
      const told = { tokens: 0, costMicroUsd: 0 };
      const call = callOf(300, (costMicroUsd, tokens) => Object.assign(told, { costMicroUsd, tokens }));
      const stream = await door.stream(contextOf({ tenant: errand.tenant, policy: errand.policy, requestId }), Deadline.after(20_000), call, async function* (signal, report) {
        for await (const event of backend.complete(request, signal)) {
          if (event.kind === "DONE") report(event.usage);
          yield event;
        }
      });
      if (isRefusal(stream)) await sleep(50);
      else {
        while ((await stream.next()).done !== true);
        say({ kind: "TOLD", requestId, ...told });
      }
    }
  };
  await Promise.all(Array.from({ length: errand.callers }, caller));
  return process.exit();
}

function callOf(reserveTokens: number, onCost: (costMicroUsd: number, tokens: number) => void): MeteredCall {
  return {
    kind: "COMPLETION", operation: "ask", model: "gpt-4o-mini", path: "ask", callNumber: 0, reserveTokens, workClass: "INTERACTIVE",
    onSettled: ({ costMicroUsd, promptTokens, completionTokens }) => onCost(costMicroUsd, promptTokens + completionTokens),
  };
}
