import type { ErasurePhase } from "../../storage/control/erasure-rows.js";
import { changeRecord } from "../change-placement.js";
import { withRemoved } from "./erase-receipt.js";
import type { EraseRun, EraseTools } from "./erase-run.js";

/** Destroyed even where none was made: whoever asks for one later is then refused instead of given a new one. */
const pseudonyms = "pseudonyms";

/** What the directory calls a tenant whose name is gone. */
const erasedName = "Erased tenant";

/**
 * Removes what the control plane knows. The keys of a silo that could not be reached are destroyed as
 * well: its text can no longer be read wherever it lies, though its vectors can.
 */
export async function forgetTenant(tools: EraseTools, run: EraseRun): Promise<ErasurePhase> {
  const { control, counters } = tools;
  const { tenantId } = run.erasure;
  await changeRecord(tools, tenantId, ({ name, placementOverride }) => (name === erasedName && placementOverride === undefined ? undefined : { name: erasedName, override: null }));
  let secrets = 0;
  for (const name of new Set([...(await control.vault.names(tenantId)), pseudonyms])) {
    if (await control.vault.destroy(tenantId, name)) secrets += 1;
  }
  const moves = await control.traces.removeMoves(tenantId);
  const counted = await counters.forget(tenantId);
  const parts = [
    { store: "control plane", what: "secrets", count: secrets },
    { store: "control plane", what: "placement moves", count: moves },
    { store: "counters", what: "counters of requests and tokens", count: counted },
    { store: "control plane", what: "the tenant's name", count: 1 },
  ];
  await run.record({ removed: withRemoved(run.erasure.removed, parts) });
  return "VERIFYING";
}
