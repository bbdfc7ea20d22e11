/** The measured part of `admission.bench.ts`, compiled as `npm start` runs it. Answers each question with CPU time. */
import { readFileSync } from "node:fs";
import { RateLimiterMemory } from "rate-limiter-flexible";
import { internal } from "../../src/kernel/errors.js";
import { newId, parseTenantId, parseUserId, type RequestId } from "../../src/kernel/ids.js";
import { isRefusal, type Refusal } from "../../src/kernel/refusal.js";
import { silentTelemetry } from "../../src/kernel/telemetry.js";
import { CallReservation } from "../../src/metering/call-reservation.js";
import { openMemoryCounterStore } from "../../src/quotas/memory-counter-store.js";
import { MemorySpendingStore } from "../../src/quotas/memory-spending-store.js";
import { TenantBudgets } from "../../src/quotas/tenant-budgets.js";
import { TenantQuotas } from "../../src/quotas/tenant-quotas.js";
import type { SpendingStore } from "../../src/storage/control/spending-rows.js";
import { openTenantContext, type TenantContext } from "../../src/tenancy/tenant-context.js";
import { parseTierPolicies } from "../../src/tenancy/tier-policy.js";
import type { AdmissionCost, AdmissionQuestion } from "./admission-messages.js";

const reservedTokens = 500;
const usedTokens = 300;
const reservedMicroUsd = 400;
const usedMicroUsd = 250;
/** Calls that are under way together: each is settled after as many others were admitted. */
const underWay = 256;
/** Counted and never reached: a refusal is cheaper than what is measured. */
const outOfReach = 1_000_000_000_000;

const parsed = parseTierPolicies(JSON.parse(readFileSync(new URL("../../tenants/tiers.json", import.meta.url), "utf8")));
/** Every limit there is: requests, tokens, money of the day and the month, calls at one time. */
const limits = { requestsPerMinute: outOfReach, tokensPerMinute: outOfReach, budgetDayMicroUsd: outOfReach, budgetMonthMicroUsd: outOfReach, concurrentCalls: outOfReach };
const policies = { ...parsed, FREE: { ...parsed.FREE, ...limits } };

interface System {
  admit(tenant: number): Promise<unknown>;
  reserve(tenant: number): Promise<(written: Promise<void>) => Promise<unknown>>;
}

/** Where one server runs, a store keeps budgets that tenants have set and warnings that were told: here there are none. */
const nothingKept: SpendingStore = { shared: false, find: async () => undefined, change: async () => undefined, replace: async () => true, remove: async () => 0 };

const written = Promise.resolve();
const tenants = Number(process.argv[2]);
const systems: Readonly<Record<AdmissionQuestion["system"], System>> = { "bulkhead": bulkhead(), "rate-limiter-flexible": limiter() };

process.on("disconnect", () => process.exit());
process.on("message", ({ system, calls }: AdmissionQuestion) => void measure(systems[system], calls).then((cost) => process.send?.(cost)));
process.send?.("ready");

/** The clock tells how the steps share the processor's time: to ask for that itself costs more than a step. */
async function measure(system: System, calls: number): Promise<AdmissionCost> {
  const spentMs = { request: 0, reserve: 0, settle: 0 };
  const cpuBefore = cpuMicros();
  let since = performance.now();
  const book = (step: keyof typeof spentMs): void => {
    const now = performance.now();
    spentMs[step] += now - since;
    since = now;
  };
  for (let done = 0; done < calls; done += underWay) {
    for (let call = 0; call < underWay; call += 1) await system.admit((done + call) % tenants);
    book("request");
    const held: ((written: Promise<void>) => Promise<unknown>)[] = [];
    for (let call = 0; call < underWay; call += 1) held.push(await system.reserve((done + call) % tenants));
    book("reserve");
    for (const settle of held) await settle(written);
    book("settle");
  }
  const made = Math.ceil(calls / underWay) * underWay;
  const microsPerMs = (cpuMicros() - cpuBefore) / (spentMs.request + spentMs.reserve + spentMs.settle) / made;
  return { request: spentMs.request * microsPerMs, reserve: spentMs.reserve * microsPerMs, settle: spentMs.settle * microsPerMs };
}

function cpuMicros(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}

function bulkhead(): System {
  const quotas = new TenantQuotas(openMemoryCounterStore(), silentTelemetry);
  const nothingSpent = { append: async () => {}, report: async () => [] };
  const budgets = new TenantBudgets(new MemorySpendingStore(nothingKept), () => nothingSpent, silentTelemetry);
  const contexts = Array.from({ length: tenants }, (_, at) => contextOf(at));
  const at = new Date();
  return {
    admit: async (tenant) => given(await quotas.admitRequests(contexts[tenant] as TenantContext, 1)),
    reserve: async (tenant) => {
      const context = contexts[tenant] as TenantContext;
      const window = given(await quotas.reserveTokens(context, reservedTokens));
      const held = new CallReservation(window, given(await budgets.reserve(context, reservedMicroUsd)));
      return (row) => held.settle([{ tokens: usedTokens, charge: { microUsd: usedMicroUsd, at }, row }]);
    },
  };
}

/** As its documentation has it: one limiter for requests, one for tokens. It has no budget and no sliding window. */
function limiter(): System {
  const requests = new RateLimiterMemory({ points: outOfReach, duration: 60, keyPrefix: "requests" });
  const tokens = new RateLimiterMemory({ points: outOfReach, duration: 60, keyPrefix: "tokens" });
  const names = Array.from({ length: tenants }, (_, at) => `tenant-${at}`);
  return {
    admit: (tenant) => requests.consume(names[tenant] as string, 1),
    reserve: async (tenant) => {
      const name = names[tenant] as string;
      await tokens.consume(name, reservedTokens);
      return () => tokens.reward(name, reservedTokens - usedTokens);
    },
  };
}

function contextOf(at: number): TenantContext {
  const tenantId = parseTenantId(`tenant-${at}`);
  const record = { id: tenantId, name: tenantId, tier: "FREE", state: "ACTIVE", placement: { kind: "SETTLED", home: { kind: "POOL" }, epoch: 1 }, createdAt: new Date(), version: 1 } as const;
  return openTenantContext({ kind: "TENANT", tenantId, userId: parseUserId("anna"), roles: ["member"], expiresAt: Infinity }, record, policies, newId<RequestId>("request"));
}

function given<Given>(answer: Given | Refusal): Given {
  if (isRefusal(answer)) throw internal(`Refused with ${answer.code}: what was measured is no admission`);
  return answer;
}
