import { BulkheadError } from "../../kernel/errors.js";
import { homeKey } from "../../routing/home-key.js";
import type { ErasurePhase, RemovedPart } from "../../storage/control/erasure-rows.js";
import { closeForGood } from "../../storage/erasing/close-for-good.js";
import { findRows } from "../../storage/erasing/find-rows.js";
import type { TenantHome } from "../../storage/home.js";
import { removeTenant } from "../../storage/moving/remove-tenant.js";
import type { SiloRemoval } from "../../storage/silo-provider.js";
import type { TenantDatabase } from "../../storage/transaction.js";
import { readHome, type Home, type SiloHome } from "../../tenancy/tenant-record.js";
import { foundIn, storeName, withRemoved, withUnreachable } from "./erase-receipt.js";
import type { EraseRun, EraseTools } from "./erase-run.js";
import { giveUp, heldByProvider, releaseAdapters } from "./release-adapters.js";
import { tracesOf } from "./forget-tenant.js";

/**
 * Closes the pool for good, and the silo the tenant lives in, and notes what is there. Silos of the
 * past are not opened: opening one that was dropped would make it anew. One that does not open may
 * still be dropped, which closes it as well: a writer that wakes up later finds no fence.
 */
export async function closeHomes(tools: EraseTools, run: EraseRun): Promise<ErasurePhase> {
  const record = await tools.control.directory.find(run.erasure.tenantId);
  const lived: readonly Home[] = [{ kind: "POOL" }, ...(record === undefined ? [] : [readHome(record.placement)])];
  const left = new Map(lived.map((home) => [homeKey(home), home]));
  for (const key of run.erasure.emptied) left.delete(key);
  for (const home of left.values()) {
    await unlessUnreachable(home, async () => {
      const parts = await withHome(tools, home, async (opened) => {
        const closed = await closeHome(opened.database, run, home);
        await releaseAdapters(tools, run, home, opened);
        return closed;
      });
      await run.record({ found: withRemoved(run.erasure.found, [...parts, ...(home.kind === "SILO" ? await around(tools, run, home) : [])]) });
    });
  }
  if (heldByProvider(run)) return giveUp(run);
  await run.record({ found: withRemoved(run.erasure.found, await tracesOf(tools, run)) });
  return "REMOVING";
}

async function closeHome(database: TenantDatabase, { erasure, token }: EraseRun, home: Home): Promise<readonly RemovedPart[]> {
  await closeForGood(database, erasure.tenantId, token);
  const rows = await findRows(database, erasure.tenantId);
  return rows.map(({ collection, count }) => ({ store: storeName(home), what: `rows of ${collection}`, count }));
}

async function around({ silos }: EraseTools, { erasure }: EraseRun, home: SiloHome): Promise<readonly RemovedPart[]> {
  const { credential } = await silos.isolation(erasure.tenantId, home);
  return siloParts(home, { database: true, user: credential === "OWN", key: true });
}

/** Empties every home the tenant has ever had, so that a silo that a mover left behind goes too. */
export async function emptyHomes(tools: EraseTools, run: EraseRun): Promise<ErasurePhase> {
  for (const home of run.erasure.homes) {
    const key = homeKey(home);
    if (run.erasure.emptied.includes(key)) continue;
    const reason = await unlessUnreachable(home, () => (home.kind === "POOL" ? emptyPool(tools, run, home) : destroySilo(tools, run, home)));
    const { emptied, unreachable, removed, found } = run.erasure;
    const store = storeName(home);
    await run.record(reason === undefined ? { emptied: [...emptied, key], removed: withRemoved(removed, foundIn(found, store)) } : { unreachable: withUnreachable(unreachable, { store, reason }) });
  }
  return "FORGETTING";
}

async function emptyPool(tools: EraseTools, run: EraseRun, home: Home): Promise<void> {
  await withDatabase(tools, home, async (database) => {
    // Claimed by this run's token: the run that closed it may have died.
    await closeForGood(database, run.erasure.tenantId, run.token);
    await removeTenant(database, run.erasure.tenantId, run.token);
  });
}

async function destroySilo(tools: EraseTools, run: EraseRun, home: SiloHome): Promise<void> {
  const removal = await tools.silos.destroy(run.erasure.tenantId, home);
  tools.homes.evict(homeKey(home));
  // A silo of the past was not opened, so what is left of one is known only now.
  await run.record({ found: withRemoved(run.erasure.found, siloParts(home, removal)) });
}

export function siloParts(home: SiloHome, removal: SiloRemoval): readonly RemovedPart[] {
  return (["database", "user", "key"] as const).filter((what) => removal[what]).map((what) => ({ store: storeName(home), what, count: 1 }));
}

/**
 * Why a silo could not be reached; the rest of the tenant is erased all the same. The pool shares the
 * control plane's deployment: without it there is nothing to go on with.
 */
async function unlessUnreachable(home: Home, work: () => Promise<void>): Promise<string | undefined> {
  try {
    await work();
    return undefined;
  } catch (error) {
    if (home.kind === "POOL" || !(error instanceof BulkheadError) || error.code !== "SERVICE_UNAVAILABLE") throw error;
    return error.message;
  }
}

export function withDatabase<T>(tools: Pick<EraseTools, "homes">, home: Home, work: (database: TenantDatabase) => Promise<T>): Promise<T> {
  return withHome(tools, home, ({ database }) => work(database));
}

async function withHome<T>(tools: Pick<EraseTools, "homes">, home: Home, work: (opened: TenantHome) => Promise<T>): Promise<T> {
  const lease = await tools.homes.lease(homeKey(home));
  try {
    return await work(lease.value);
  } finally {
    lease.release();
  }
}
