import { describe, expect, it } from "vitest";
import { CacheKeeper } from "../../src/memory/cache-keeper.js";
import { SemanticCache } from "../../src/memory/semantic-cache.js";
import type { TenantRecord, TenantState } from "../../src/tenancy/tenant-record.js";
import { contextOf, recordingTelemetry } from "../metering/spend-fixtures.js";
import { asked, cachedAnswer } from "./cache-fixtures.js";

const { tenantId } = contextOf();

function kept(find: () => Promise<TenantRecord | undefined>): { cache: SemanticCache; keeper: CacheKeeper } {
  const cache = new SemanticCache({ now: () => 0 });
  cache.keep(asked("How long is the notice period?"), cachedAnswer("Six weeks [1]."));
  return { cache, keeper: new CacheKeeper(cache, { find }, recordingTelemetry(), 1) };
}

describe("the answers of a tenant", () => {
  it.each<TenantState | undefined>(["SUSPENDED", "ERASING", "ERASED", undefined])("that is %s are gone from this server's memory", async (state) => {
    const { cache, keeper } = kept(async () => (state === undefined ? undefined : { ...contextOf().record, state }));
    keeper.start();
    await expect.poll(() => cache.tenants()).toEqual([]);
    expect(cache.usage(tenantId)).toEqual({ entries: 0, bytes: 0 });
    await keeper.close();
  });

  it("stay while it is served, and while the directory does not answer", async () => {
    const served = kept(async () => contextOf().record);
    await served.keeper.round();
    expect(served.cache.usage(tenantId).entries).toBe(1);
    const silent = kept(() => Promise.reject(new TypeError("no answer")));
    await silent.keeper.round();
    expect(silent.cache.usage(tenantId).entries).toBe(1);
  });

  it("are freed when their time is over, asked for again or not", async () => {
    const clock = { at: 0, now: () => clock.at };
    const cache = new SemanticCache(clock);
    cache.keep(asked("How long is the notice period?"), cachedAnswer("Six weeks [1]."));
    clock.at = 3_600_000;
    await new CacheKeeper(cache, { find: async () => contextOf().record }, recordingTelemetry()).round();
    expect(cache.tenants()).toEqual([]);
  });
});
