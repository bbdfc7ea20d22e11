import { setMaxListeners } from "node:events";
import type { TenantId } from "../../src/kernel/ids.js";
import { isRefusal } from "../../src/kernel/refusal.js";
import type { FairQueue, Turn, TurnRequest } from "../../src/metering/fair-queue.js";

export const never = new AbortController().signal;
// Hundreds of calls wait on it at once, which is what the tests are about.
setMaxListeners(0, never);

export function nextTurnOfLoop(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

export function requestOf(tenant: string, more: Partial<TurnRequest> = {}): TurnRequest {
  return { tenantId: tenant as TenantId, weight: 1, tokens: 100, workClass: "INTERACTIVE", ...more };
}

export async function turnOf(queue: FairQueue, request: TurnRequest, signal = never): Promise<Turn> {
  const turn = await queue.acquire(request, signal);
  if (isRefusal(turn)) throw new TypeError(`Refused: ${turn.message}`);
  return turn;
}
