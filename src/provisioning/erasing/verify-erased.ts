import { setTimeout as sleep } from "node:timers/promises";
import { BulkheadError, internal } from "../../kernel/errors.js";
import { homeKey } from "../../routing/home-key.js";
import type { ErasurePhase } from "../../storage/control/erasure-rows.js";
import { findRows } from "../../storage/erasing/find-rows.js";
import type { Home } from "../../tenancy/tenant-record.js";
import { changeRecord } from "../change-placement.js";
import { isEnd } from "../move-steps.js";
import { siloParts, withDatabase } from "./empty-homes.js";
import { keptParts, storeName, withRemoved, withUnreachable } from "./erase-receipt.js";
import type { EraseRun, EraseTools } from "./erase-run.js";
import { forgetCounters } from "./forget-tenant.js";
import { lookingContext } from "./looking-context.js";

/** Times that what was found again is removed again. It is not seen twice unless someone writes past the fence. */
const roundsMax = 3;
/** Atlas indexes with a delay, deletions too. */
const searchWaitMsMax = 30_000;
const searchPollMs = 100;

interface Finding {
  readonly home?: Home;
  readonly what: string;
}

/** Searches every store again, by other means than those that removed. What is found sends the job back. */
export async function verifyErased(tools: EraseTools, run: EraseRun): Promise<ErasurePhase> {
  const { control } = tools;
  const { tenantId, rounds } = run.erasure;
  const move = await control.moves.latestOf(tenantId);
  // Begun by a server that had read the directory before the erasure and slept since.
  if (move !== undefined && !isEnd(move.phase)) return "ENDING_MOVE";
  const findings = [...(await findInPool(tools, run)), ...(await findSilos(tools, run)), ...(await findInControlPlane(tools, run))];
  // What a request that was under way has counted since.
  await forgetCounters(tools, run);
  if (findings.length > 0 && rounds < roundsMax) {
    const again = new Set(findings.flatMap(({ home }) => (home === undefined ? [] : [homeKey(home)])));
    await run.record({ rounds: rounds + 1, emptied: run.erasure.emptied.filter((key) => !again.has(key)) });
    return "REMOVING";
  }
  for (const { home, what } of findings) {
    await run.record({ unreachable: withUnreachable(run.erasure.unreachable, { store: home === undefined ? "control plane" : storeName(home), reason: `Found again after it was removed: ${what}` }) });
  }
  return finish(tools, run, findings.length === 0);
}

async function finish(tools: EraseTools, run: EraseRun, nothingFound: boolean): Promise<ErasurePhase> {
  const { tenantId, unreachable } = run.erasure;
  const complete = unreachable.length === 0;
  // Erased tenants live nowhere. A partial one stays `ERASING`: it is not served, and what is left can be looked for.
  if (complete) await changeRecord(tools, tenantId, ({ state, placement }) => (state === "ERASED" ? undefined : { state: "ERASED", placement: { kind: "SETTLED", home: { kind: "POOL" }, epoch: placement.epoch + 1 } }));
  const kept = keptParts(tenantId, await tools.control.traces.countLedgerRows(tenantId));
  const now = new Date();
  await run.record({ kept, ...(nothingFound ? { verifiedAt: now } : {}), finishedAt: now, status: complete ? "COMPLETE" : "PARTIAL", phase: "ENDED" });
  return "ENDED";
}

async function findInPool(tools: EraseTools, run: EraseRun): Promise<readonly Finding[]> {
  const home = { kind: "POOL" } as const;
  const rows = await withDatabase(tools, home, (database) => findRows(database, run.erasure.tenantId));
  const found = rows.map(({ collection, count }) => ({ home, what: `${count} rows of ${collection}` }));
  return (await isSearchEmpty(tools, run)) ? found : [...found, { home, what: "chunks in the vector index" }];
}

/** As a question would search, with the tenant's own filter: in the pool every vector of a tenant is compared, so any that is left is found. */
async function isSearchEmpty(tools: EraseTools, { erasure, signal }: EraseRun): Promise<boolean> {
  const record = await tools.control.directory.find(erasure.tenantId);
  if (record === undefined) throw internal("The tenant vanished from the directory while it was erased");
  const context = lookingContext(tools, record);
  const anyDirection = new Float32Array(tools.embedding.dimensions).fill(1 / Math.sqrt(tools.embedding.dimensions));
  const until = performance.now() + searchWaitMsMax;
  for (;;) {
    const lease = await tools.homes.lease(homeKey({ kind: "POOL" }));
    try {
      const found = await lease.value.store(context, record.placement.epoch).chunks.nearest(anyDirection, 1, {});
      if (found.length === 0) return true;
    } finally {
      lease.release();
    }
    if (performance.now() > until) return false;
    await sleep(searchPollMs, undefined, { signal });
  }
}

/** To destroy what is gone already removes nothing; what it does remove had come back, or was left. */
async function findSilos(tools: EraseTools, run: EraseRun): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  for (const home of run.erasure.homes) {
    if (home.kind === "POOL" || !run.erasure.emptied.includes(homeKey(home))) continue;
    try {
      const parts = siloParts(home, await tools.silos.destroy(run.erasure.tenantId, home));
      await run.record({ removed: withRemoved(run.erasure.removed, parts) });
      findings.push(...parts.map(({ what }) => ({ home, what })));
    } catch (error) {
      if (!(error instanceof BulkheadError) || error.code !== "SERVICE_UNAVAILABLE") throw error;
      await run.record({ unreachable: withUnreachable(run.erasure.unreachable, { store: storeName(home), reason: `Destroyed, but not verified: ${error.message}` }) });
    }
  }
  return findings;
}

async function findInControlPlane({ control }: EraseTools, { erasure }: EraseRun): Promise<readonly Finding[]> {
  const { tenantId } = erasure;
  const [secrets, moves, timings] = await Promise.all([control.vault.names(tenantId), control.traces.countMoves(tenantId), control.traces.countTimings(tenantId)]);
  return [
    ...(secrets.length === 0 ? [] : [{ what: `${secrets.length} secrets` }]),
    ...(moves === 0 ? [] : [{ what: `${moves} placement moves` }]),
    ...(timings === 0 ? [] : [{ what: `${timings} periods of request timings` }]),
  ];
}
