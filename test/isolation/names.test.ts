/** No two tenants meet in a name, wherever one is made of their ids, and no name that is none gets in anywhere. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { signDevelopmentToken, type DevelopmentKey } from "../../src/gateway/development-key.js";
import { asTenantId, parseTenantId, type TenantId } from "../../src/kernel/ids.js";
import { openMemoryCounterStore } from "../../src/quotas/memory-counter-store.js";
import type { CounterStore } from "../../src/quotas/counter-store.js";
import { TenantQuotas } from "../../src/quotas/tenant-quotas.js";
import { homeKey, homeOfKey } from "../../src/routing/home-key.js";
import { tenantKey } from "../../src/storage/scope.js";
import { ownerOfSilo, siloName } from "../../src/storage/silos/silo-name.js";
import { contextOf, recordingTelemetry } from "../support/tenants.js";

const letters = "abcdefghijklmnopqrstuvwxyz0123456789".split("");
const end = fc.constantFrom(...letters);
const inner = fc.constantFrom(...letters, "-");
/** Every id there can be, and as often as not one of few letters, so that pairs are near each other. */
const tenantIds: fc.Arbitrary<TenantId> = fc
  .oneof(
    fc.tuple(end, fc.array(inner, { minLength: 1, maxLength: 24 }), end),
    fc.tuple(fc.constantFrom("a", "1"), fc.array(fc.constantFrom("a", "1", "-"), { minLength: 1, maxLength: 4 }), fc.constantFrom("a", "1")),
  )
  .map(([first, middle, last]) => parseTenantId(`${first}${middle.join("")}${last}`));
const epochs = fc.integer({ min: 1, max: 9_999 });
const pairs = fc.tuple(tenantIds, tenantIds).filter(([one, other]) => one !== other);

/** The longest name of a database on Atlas's small clusters, and anywhere. */
const databaseBytesMax = 38;

const home = (id: TenantId, at: number, cluster: string | undefined) => ({ kind: "SILO" as const, database: siloName("bh", id, at, true), ...(cluster === undefined ? {} : { cluster }) });

const taken = async (id: TenantId): Promise<ReadonlySet<string>> => {
  const keys = new Set<string>();
  const counted = openMemoryCounterStore();
  const store: CounterStore = {
    shared: false, generation: 0, read: (read) => counted.read(read), giveBack: (...back) => counted.giveBack(...back), forget: (forgotten) => counted.forget(forgotten), close: () => counted.close(),
    take: (key, ...rest) => {
      expect(keys.has(key)).toBe(false);
      keys.add(key);
      return counted.take(key, ...rest);
    },
  };
  const quotas = new TenantQuotas(store, recordingTelemetry());
  await quotas.admitRequests(contextOf(id), 1);
  await quotas.reserveTokens(contextOf(id), 1);
  return keys;
};

describe("two tenants", () => {
  test("never share a silo's database, in whatever epochs; it leads back to its owner and is equal to no other's in any case", () => {
    fc.assert(
      fc.property(pairs, epochs, epochs, ([one, other], epoch, another) => {
        const [mine, theirs] = [siloName("bh", one, epoch, true), siloName("bh", other, another, true)];
        expect(mine).not.toBe(theirs);
        // MongoDB refuses a database whose name differs from another's in case alone.
        expect(mine).toBe(mine.toLowerCase());
        expect(Buffer.byteLength(mine)).toBeLessThanOrEqual(databaseBytesMax);
        expect(ownerOfSilo(mine, "bh")).toBe(one);
        expect(mine).not.toBe("bh_pool");
        expect(mine).not.toBe("bh_control");
      }),
    );
  });

  test("never share a row's key, whatever their ids and the objects' are, nor a range of keys", () => {
    fc.assert(
      fc.property(pairs, fc.string(), fc.string(), ([one, other], id, another) => {
        expect(tenantKey(one, id)).not.toBe(tenantKey(other, another));
        // The range in which an erasure searches: everything of the tenant, and nothing of another.
        const inRange = (key: string): boolean => Buffer.compare(Buffer.from(key), Buffer.from(`${one}/`)) >= 0 && Buffer.compare(Buffer.from(key), Buffer.from(`${one}0`)) < 0;
        expect(inRange(tenantKey(one, id))).toBe(true);
        expect(inRange(tenantKey(other, another))).toBe(false);
      }),
    );
  });

  test("never share a cached home, on whatever clusters", () => {
    const clusters = fc.option(fc.stringMatching(/^[a-z][a-z0-9-]{0,19}$/), { nil: undefined });
    fc.assert(
      fc.property(pairs, epochs, epochs, clusters, clusters, ([one, other], epoch, another, here, there) => {
        expect(homeKey(home(one, epoch, here))).not.toBe(homeKey(home(other, another, there)));
        expect(homeOfKey(homeKey(home(one, epoch, here)))).toEqual(home(one, epoch, here));
      }),
    );
  });

  test("never share a bucket of a limit, and requests never share one with tokens", async () => {
    await fc.assert(
      fc.asyncProperty(pairs, async ([one, other]) => {
        const [mine, theirs] = await Promise.all([taken(one), taken(other)]);
        expect(mine.size).toBe(2);
        expect([...mine].filter((key) => theirs.has(key))).toEqual([]);
      }),
      { numRuns: 50 },
    );
  });
});

describe("a name that is no tenant's", () => {
  const hostile: readonly unknown[] = [
    "ACME", "Acme", "acmE", "ａｃｍｅ", "аcme", "acme\u200b", "acme\u0000", "acme\n", " acme", "acme ", "ac me", "acme/doc", "acme_2", "acme.x", "acme$", "../acme", "-acme", "acme-", "ac", "",
    "a".repeat(27), "é".repeat(20), "a".repeat(63), "a".repeat(64), "ﬁrma", "ſmith", "İstanbul", "_platform", "constructor\u0000", "__proto__", { $ne: null }, ["acme"], 7, null, undefined, true,
  ];

  test.each(hostile.map((value) => [value]))("is refused before anything is done with it: %j", async (value) => {
    expect(() => parseTenantId(value)).toThrow(expect.objectContaining({ code: "BAD_USER_INPUT" }));
    expect(asTenantId(value)).toBeUndefined();
    const key = {} as DevelopmentKey;
    await expect(signDevelopmentToken(key, { issuer: "i", audience: "a", userId: "u", ttlSeconds: 1, subject: { kind: "TENANT", tenantId: value as string, roles: [] } })).rejects.toMatchObject({ code: "BAD_USER_INPUT" });
  });

  test("is every text that changes when it is folded, composed or trimmed: an id has no twin", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme", maxLength: 40 }), (text) => {
        const id = asTenantId(text);
        if (id === undefined) return;
        for (const form of ["NFC", "NFD", "NFKC", "NFKD"]) expect(text.normalize(form)).toBe(text);
        expect(text.toLowerCase()).toBe(text);
        expect(text.trim()).toBe(text);
        expect(encodeURIComponent(text)).toBe(text);
        expect(Buffer.byteLength(text)).toBeLessThanOrEqual(26);
      }),
      { numRuns: 2_000 },
    );
  });
});
