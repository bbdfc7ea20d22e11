import { expect, it } from "vitest";
import { isRefusal } from "../../src/kernel/refusal.js";
import type { CounterStore } from "../../src/quotas/counter-store.js";
import { LostCounters, tokensSince } from "../../src/quotas/lost-counters.js";
import { openMemoryCounterStore } from "../../src/quotas/memory-counter-store.js";
import { TenantQuotas } from "../../src/quotas/tenant-quotas.js";
import { contextOf, MemoryLedger, recordingTelemetry, recorderOf } from "../metering/spend-fixtures.js";

const context = contextOf({ policy: { tokensPerMinute: 1_000 } });
const telemetry = recordingTelemetry();

/** A store that can be started anew, as Redis can: without its counters, and known to be another. */
class RestartedStore implements CounterStore {
  readonly shared = true;
  generation = 0;
  #counters = openMemoryCounterStore();
  restart(): void {
    this.#counters = openMemoryCounterStore();
    this.generation += 1;
  }
  take: CounterStore["take"] = (...args) => this.#counters.take(...args);
  giveBack: CounterStore["giveBack"] = (...args) => this.#counters.giveBack(...args);
  read: CounterStore["read"] = (keys) => this.#counters.read(keys);
  forget: CounterStore["forget"] = (keys) => this.#counters.forget(keys);
  close = (): Promise<void> => Promise.resolve();
}

function world(): { store: RestartedStore; ledger: MemoryLedger; server: () => TenantQuotas; spend: (quotas: TenantQuotas, tokens: number) => Promise<boolean> } {
  const [store, ledger] = [new RestartedStore(), new MemoryLedger()];
  const recorder = recorderOf(ledger, telemetry);
  let calls = 0;
  const spend = async (quotas: TenantQuotas, tokens: number): Promise<boolean> => {
    const reserved = await quotas.reserveTokens(context, tokens);
    if (isRefusal(reserved)) return false;
    const call = { kind: "COMPLETION", operation: "ask", model: "m", path: "ask", callNumber: (calls += 1), outcome: "OK", usage: { promptTokens: tokens, completionTokens: 0 } } as const;
    const at = new Date();
    await recorder.record(context, call, recorder.price(call, at), at);
    await reserved.settle(tokens);
    return true;
  };
  return { store, ledger, server: () => new TenantQuotas(store, telemetry, undefined, (whose, from) => (whose.tenantId === context.tenantId ? tokensSince(ledger, from) : Promise.resolve(0))), spend };
}

it("a store that was started anew does not give the minute's tokens a second time", async () => {
  const { store, server, spend } = world();
  const quotas = server();
  expect(await spend(quotas, 800)).toBe(true);
  store.restart();
  // Many at once: whoever comes first waits for the ledger as well, and so do the others.
  const atOnce = await Promise.all(Array.from({ length: 10 }, () => spend(quotas, 300)));
  expect(atOnce.some(Boolean)).toBe(false);
  expect([await spend(quotas, 200), await spend(quotas, 1)]).toEqual([true, false]);
  expect(await quotas.view(context)).toMatchObject({ tokens: { remaining: 0 } });
});

it("nor does a server that was, when it keeps its counters itself", async () => {
  const { store, server, spend } = world();
  expect(await spend(server(), 800)).toBe(true);
  store.restart();
  expect([await spend(server(), 300), await spend(server(), 200)]).toEqual([false, true]);
});

it("what is still counted is not counted twice", async () => {
  const { store, server, spend } = world();
  expect(await spend(server(), 600)).toBe(true);
  store.generation += 1;
  expect([await spend(server(), 400), await spend(server(), 1)]).toEqual([true, false]);
});

it("another tenant's spending is not this one's", async () => {
  const { store, server, spend } = world();
  const quotas = server();
  await spend(quotas, 1_000);
  store.restart();
  expect(isRefusal(await quotas.reserveTokens(contextOf({ tenant: "globex", policy: { tokensPerMinute: 1_000 } }), 1_000))).toBe(false);
});

it("a ledger that cannot be read lets nothing be spent, and is asked again", async () => {
  let fails = true;
  const quotas = new TenantQuotas(openMemoryCounterStore(), telemetry, undefined, () => (fails ? Promise.reject(new TypeError("down")) : Promise.resolve(0)));
  await expect(quotas.reserveTokens(context, 10)).rejects.toMatchObject({ code: "SERVICE_UNAVAILABLE" });
  fails = false;
  expect(isRefusal(await quotas.reserveTokens(context, 10))).toBe(false);
});

it("a ledger that falls silent holds a tenant's calls for its time alone, and is asked anew by the next", async () => {
  let asked = 0;
  const charged: number[] = [];
  const window = { view: () => Promise.resolve({ used: 0 }), charge: (_name: string, points: number) => Promise.resolve(void charged.push(points)) } as unknown as ConstructorParameters<typeof LostCounters>[1];
  // The first answer never comes.
  const spentSince = (): Promise<number> => ((asked += 1) === 1 ? new Promise(() => undefined) : Promise.resolve(40));
  const counters = new LostCounters(spentSince, window, 50);
  const waiting = [counters.count(context, 1, Date.now()), counters.count(context, 1, Date.now())];
  for (const { reason } of (await Promise.allSettled(waiting)) as PromiseRejectedResult[]) expect(reason).toMatchObject({ code: "SERVICE_UNAVAILABLE" });
  expect(counters.isCounted(context, 1)).toBe(false);
  await counters.count(context, 1, Date.now());
  expect([asked, charged, counters.isCounted(context, 1)]).toEqual([2, [40], true]);
});
