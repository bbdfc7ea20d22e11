import { setTimeout as sleep } from "node:timers/promises";
import { BulkheadError } from "../../kernel/errors.js";
import type { ErasurePhase, RemovedPart } from "../../storage/control/erasure-rows.js";
import { changeRecord } from "../change-placement.js";
import { foundIn, withRemoved, withUnreachable } from "./erase-receipt.js";
import type { EraseRun, EraseTools } from "./erase-run.js";

/** Destroyed even where none was made: whoever asks for one later is then refused instead of given a new one. */
const pseudonyms = "pseudonyms";

/** Longer than a failed store of counters is left alone, so that each try is one. */
const countersPauseMs = 1_500;
const countersAttemptsMax = 4;

const controlPlane = "control plane";

/** What the directory calls a tenant whose name is gone. */
const erasedName = "Erased tenant";

/**
 * Removes what the control plane knows. The keys of a silo that could not be reached are destroyed as
 * well: its text can no longer be read wherever it lies, though its vectors can.
 */
export async function forgetTenant(tools: EraseTools, run: EraseRun): Promise<ErasurePhase> {
  const { control } = tools;
  const { tenantId } = run.erasure;
  await changeRecord(tools, tenantId, ({ name, placementOverride }) => (name === erasedName && placementOverride === undefined ? undefined : { name: erasedName, override: null }));
  for (const name of new Set([...(await control.vault.names(tenantId)), pseudonyms])) await control.vault.destroy(tenantId, name);
  await control.traces.removeMoves(tenantId);
  await control.traces.removeTimings(tenantId);
  const { removed, found } = run.erasure;
  await run.record({ removed: withRemoved(removed, foundIn(found, controlPlane)) });
  await forgetCounters(tools, run);
  return "VERIFYING";
}

/** The store of counters may be another than the database, and gives up on a call sooner. */
export async function forgetCounters({ counters }: EraseTools, run: EraseRun): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      const count = await counters.forget(run.erasure.tenantId);
      return run.record({ removed: withRemoved(run.erasure.removed, [{ store: "counters", what: "counters of requests and tokens", count }]), unreachable: run.erasure.unreachable.filter(({ store }) => store !== "counters") });
    } catch (error) {
      if (!(error instanceof BulkheadError) || error.code !== "SERVICE_UNAVAILABLE") throw error;
      if (attempt === countersAttemptsMax) return run.record({ unreachable: withUnreachable(run.erasure.unreachable, { store: "counters", reason: `${error.message}; what they hold ends by itself within two minutes` }) });
      await sleep(countersPauseMs, undefined, { signal: run.signal });
    }
  }
}

/** What the control plane has that `forgetTenant` removes. Counters are not among it: they end by themselves within a minute. */
export async function tracesOf({ control }: EraseTools, { erasure: { tenantId } }: EraseRun): Promise<readonly RemovedPart[]> {
  const [secrets, moves, timings] = await Promise.all([control.vault.names(tenantId), control.traces.countMoves(tenantId), control.traces.countTimings(tenantId)]);
  return [
    { store: controlPlane, what: "secrets", count: secrets.length },
    { store: controlPlane, what: "periods of request timings", count: timings },
    { store: controlPlane, what: "placement moves", count: moves },
    { store: controlPlane, what: "the tenant's name", count: 1 },
  ];
}
