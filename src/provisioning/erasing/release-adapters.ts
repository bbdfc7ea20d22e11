import { BulkheadError } from "../../kernel/errors.js";
import type { ErasurePhase } from "../../storage/control/erasure-rows.js";
import type { TenantHome } from "../../storage/home.js";
import type { Home } from "../../tenancy/tenant-record.js";
import { storeName, withRemoved, withUnreachable } from "./erase-receipt.js";
import type { EraseRun, EraseTools } from "./erase-run.js";
import { lookingContext } from "./looking-context.js";

/**
 * Has jobs, files and models removed that a fine-tuning provider holds for the tenant. Once its home is
 * closed, so that no adapter is added after, and before the rows go: they alone say what the provider has.
 */
export async function releaseAdapters(tools: EraseTools, run: EraseRun, home: Home, opened: TenantHome): Promise<void> {
  const record = await tools.control.directory.find(run.erasure.tenantId);
  if (record === undefined) return;
  const context = lookingContext(tools, record);
  const store = providerOf(home);
  try {
    const count = await tools.adapters.release(context, opened.store(context, context.epoch), run.signal);
    if (count > 0) await run.record({ removed: withRemoved(run.erasure.removed, [{ store, what: "adapters", count }]) });
  } catch (error) {
    if (!(error instanceof BulkheadError) || error.code !== "SERVICE_UNAVAILABLE") throw error;
    await run.record({ unreachable: withUnreachable(run.erasure.unreachable, { store, reason: error.message }) });
  }
}

/** Whether a provider still holds something. */
export function heldByProvider({ erasure }: EraseRun): boolean {
  return erasure.unreachable.some(({ store }) => store.startsWith(provider));
}

/** Nothing is removed: without the rows, and the keys that open them, nobody would know what the provider has to remove. Asked for again, the erasure goes on. */
export async function giveUp(run: EraseRun): Promise<ErasurePhase> {
  await run.record({ status: "PARTIAL", phase: "ENDED", finishedAt: new Date() });
  return "ENDED";
}

const provider = "fine-tuning provider";

function providerOf(home: Home): string {
  return `${provider} (adapters of ${storeName(home)})`;
}
