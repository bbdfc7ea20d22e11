import { describe, expect, test } from "vitest";
import { Deadline } from "../../src/kernel/deadline.js";
import { LeasedCache } from "../../src/kernel/leased-cache.js";
import { TenantRouter } from "../../src/routing/tenant-router.js";
import type { TenantHome } from "../../src/storage/home.js";
import type { TenantStore } from "../../src/storage/tenant-store.js";
import { CachedTenantDirectory } from "../../src/tenancy/tenant-directory.js";
import type { TenantRecord } from "../../src/tenancy/tenant-record.js";
import { contextOf, recordOf } from "../support/tenants.js";

/** Homes that only say which they are, and a directory that the test turns. */
function world() {
  let record: TenantRecord = recordOf("acme");
  const opened: string[] = [];
  const homes = new LeasedCache<TenantHome>(
    5,
    (key) => {
      opened.push(key);
      return Promise.resolve({ store: () => ({ home: key }) } as unknown as TenantHome);
    },
    () => Promise.resolve(),
    () => {},
  );
  const router = new TenantRouter(new CachedTenantDirectory({ find: () => Promise.resolve(record) }), homes);
  const toSilo = (): void => {
    record = recordOf("acme", { epoch: 2, home: { kind: "SILO", database: "bulkhead_acme_2" } });
  };
  return { router, opened, toSilo };
}

const nameOf = (store: TenantStore): string => String((store as unknown as { home: string }).home);

describe("a read that a switch of home overtakes", () => {
  test("runs again on the new home when it took longer than an old home is kept for it", async () => {
    const { router, toSilo } = world();
    const deadline = Deadline.after(10_000);
    const homes: string[] = [];
    const result = await router.read(contextOf("acme"), deadline, async (store) => {
      homes.push(nameOf(store));
      if (homes.length === 1) {
        toSilo();
        await new Promise((resolve) => setTimeout(resolve, 2_100));
      }
      return nameOf(store);
    });
    deadline.dispose();
    expect(homes).toEqual(["POOL", "SILO bulkhead_acme_2"]);
    expect(result).toBe("SILO bulkhead_acme_2");
  });

  test("runs again on the new home when the old one fails under it", async () => {
    const { router, toSilo } = world();
    const deadline = Deadline.after(10_000);
    const result = await router.read(contextOf("acme"), deadline, async (store) => {
      if (nameOf(store) === "POOL") {
        toSilo();
        throw new Error("the database was dropped");
      }
      return nameOf(store);
    });
    deadline.dispose();
    expect(result).toBe("SILO bulkhead_acme_2");
  });

  test("that fails where the tenant still lives fails, once, and opens no other home", async () => {
    const { router, opened } = world();
    const deadline = Deadline.after(10_000);
    let runs = 0;
    await expect(
      router.read(contextOf("acme"), deadline, () => {
        runs += 1;
        return Promise.reject(new Error("the database is down"));
      }),
    ).rejects.toThrow("the database is down");
    deadline.dispose();
    expect(runs).toBe(1);
    expect(opened).toEqual(["POOL"]);
  });
});
