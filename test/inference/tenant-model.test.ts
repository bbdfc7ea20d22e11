import { expect, test } from "vitest";
import { EndpointGroup } from "../../src/inference/endpoint-group.js";
import type { CompletionRequest } from "../../src/inference/inference-backend.js";
import { InferencePool } from "../../src/inference/inference-pool.js";
import { statusFailure } from "../../src/inference/model-failure.js";
import { PoolEndpoint } from "../../src/inference/pool-endpoint.js";
import { openTenantModel, TenantModel } from "../../src/inference/tenant-model.js";
import { newId, parseTenantId, type AdapterId } from "../../src/kernel/ids.js";
import { silentTelemetry } from "../../src/kernel/telemetry.js";
import type { AdapterRow } from "../../src/storage/adapter-rows.js";
import type { TenantStore } from "../../src/storage/tenant-store.js";
import { contextOf } from "../support/tenants.js";

const acme = contextOf("acme");
const globex = contextOf("globex");

function rowOf(tenant: string, more: Partial<AdapterRow> = {}): AdapterRow {
  return { tenantId: parseTenantId(tenant), id: newId<AdapterId>("adapter"), name: "ours", baseModel: "base", origin: "TRAINED", state: "READY", examples: 10, upstreamModel: `ft:${tenant}`, createdAt: new Date(0), updatedAt: new Date(0), ...more };
}

/** Without walls, so that what stands behind them is met: whatever is asked for is given. */
const storeOf = (tenant: string, row: AdapterRow | undefined): TenantStore => ({ tenantId: tenant, adapters: { get: () => Promise.resolve(row) } }) as unknown as TenantStore;
const opened = (row: AdapterRow | undefined, id: string = row?.id ?? newId<AdapterId>("adapter")): Promise<TenantModel> => openTenantModel(acme, storeOf("acme", row), id);

const asked: { readonly endpoint: string; readonly model: string }[] = [];

function endpoint(name: string, trains: boolean, priority: number, before: (request: CompletionRequest) => void = () => undefined): PoolEndpoint {
  const client = {
    timeouts: { firstByteMs: 1_000 },
    async *complete(request: CompletionRequest) {
      before(request);
      asked.push({ endpoint: name, model: request.model });
      yield { kind: "DONE", finishReason: "STOP", usage: { promptTokens: 1, completionTokens: 1 }, cited: [] } as const;
    },
    close: () => undefined,
  };
  return new PoolEndpoint({ name, baseUrl: `https://${name}.example/v1`, models: [{ name: "base", upstreamName: `${name}-base` }], priority, weight: 1, concurrency: 1, cacheSalt: false, trains, timeouts: {} }, client, silentTelemetry);
}

const pool = new InferencePool([new EndpointGroup([endpoint("preferred", false, 0), endpoint("trainer", true, 1)], silentTelemetry)]);

test("a tenant's model comes from its own store alone: a foreign, missing, malformed or unready one does not become one", async () => {
  expect(await opened(rowOf("acme"))).toMatchObject({ tenantId: "acme", upstreamModel: "ft:acme" });
  await expect(opened(undefined)).rejects.toMatchObject({ code: "NOT_FOUND" });
  await expect(opened(rowOf("acme"), "ft:globex")).rejects.toMatchObject({ code: "NOT_FOUND" });
  for (const state of ["PREPARING", "TRAINING", "IMPORTED", "FAILED"] as const) await expect(opened(rowOf("acme", { state }))).rejects.toMatchObject({ code: "CONFLICT" });
  await expect(opened(rowOf("globex"))).rejects.toMatchObject({ code: "INTERNAL" });
  await expect(openTenantModel(acme, storeOf("globex", rowOf("acme")), newId("adapter"))).rejects.toMatchObject({ code: "INTERNAL" });
});

test("the pool takes no other tenant's model, no copy of one, and none that was put together by hand", async () => {
  const ours = await opened(rowOf("acme"));
  expect(pool.chooseTuned(acme, ours)).toMatchObject({ model: "base", tuned: ours });
  expect(() => pool.chooseTuned(globex, ours)).toThrow(expect.objectContaining({ code: "INTERNAL" }) as Error);
  expect(() => pool.chooseTuned(globex, { ...ours, tenantId: globex.tenantId } as TenantModel)).toThrow(expect.objectContaining({ code: "INTERNAL" }) as Error);
  expect(() => new TenantModel(Symbol("maker of TenantModel"), { ...ours })).toThrow(TypeError);
  expect(() => pool.chooseTuned(acme, ours, "other")).toThrow(expect.objectContaining({ code: "BAD_USER_INPUT" }) as Error);
});

test("one that is gone at the provider shuts its endpoint for nobody", async () => {
  const trainer = endpoint("lone", true, 0, ({ model }) => {
    if (model.startsWith("ft:")) throw statusFailure(404);
  });
  const alone = new InferencePool([new EndpointGroup([trainer], silentTelemetry)]);
  const { backend, model, tuned } = alone.chooseTuned(acme, await opened(rowOf("acme")));
  const request = { model, question: "q", history: [], passages: [], maxTokens: 10, userTag: "u", canary: "c" };
  for (let n = 0; n < 12; n += 1) {
    const call = async (): Promise<void> => {
      for await (const _ of backend.complete({ ...request, ...(tuned === undefined ? {} : { tuned }) }, new AbortController().signal));
    };
    await expect(call()).rejects.toMatchObject({ code: "UPSTREAM_FAILED" });
  }
  expect(trainer.breaker.openUntil).toBeUndefined();
});

test("one whose provider asks to be left alone lets its endpoint rest for nobody else; the base model's asking does", async () => {
  const calls: string[] = [];
  const trainer = endpoint("lone", true, 0, ({ model }) => {
    calls.push(model);
    throw statusFailure(429, 60_000);
  });
  const alone = new InferencePool([new EndpointGroup([trainer], silentTelemetry)]);
  const { backend, model, tuned } = alone.chooseTuned(acme, await opened(rowOf("acme")));
  const request = { model, question: "q", history: [], passages: [], maxTokens: 10, userTag: "u", canary: "c", endsAt: performance.now() + 1_000 };
  const call = async (more: object): Promise<void> => {
    for await (const _ of backend.complete({ ...request, ...more }, new AbortController().signal));
  };
  await expect(call({ tuned })).rejects.toMatchObject({ kind: "RATE_LIMITED" });
  expect(trainer.restsUntil).toBe(0);
  await expect(call({})).rejects.toMatchObject({ kind: "RATE_LIMITED" });
  expect(calls).toContain("lone-base");
  expect(trainer.restsUntil).toBeGreaterThan(performance.now());
});

test("it is asked for where it was trained and nowhere else, also where another endpoint is preferred for its base model", async () => {
  const { backend, model, tuned } = pool.chooseTuned(acme, await opened(rowOf("acme")));
  const request = { model, question: "q", history: [], passages: [], maxTokens: 10, userTag: "u", canary: "c" };
  for await (const _ of backend.complete({ ...request, ...(tuned === undefined ? {} : { tuned }) }, new AbortController().signal));
  for await (const _ of backend.complete(request, new AbortController().signal));
  expect(asked).toEqual([{ endpoint: "trainer", model: "ft:acme" }, { endpoint: "preferred", model: "preferred-base" }]);
});
