/** Follows an erasure to its end and prints the receipt. */
import { setTimeout as sleep } from "node:timers/promises";
import { upstreamFailed } from "../../src/kernel/errors.js";
import { patiently, type ProgressOutput } from "./follow-move.js";
import type { OperatorApi, ReceiptView } from "./operator-api.js";

const pollMs = 500;

/** Throws `UPSTREAM_FAILED` when something could not be reached, after the receipt was printed. */
export async function followErasure(api: Pick<OperatorApi, "erasure">, id: string, first: ReceiptView, output: ProgressOutput): Promise<void> {
  let receipt = first;
  let phase = "";
  while (receipt.status === "IN_PROGRESS") {
    if (receipt.phase !== phase) output.write(`${id}: ${receipt.phase}\n`);
    phase = receipt.phase;
    await sleep(pollMs);
    receipt = await patiently(() => api.erasure(id));
  }
  output.write(`${printed(id, receipt)}\n`);
  if (receipt.status === "PARTIAL") throw upstreamFailed(`The erasure of ${id} is PARTIAL: erase it again when what is named above can be reached`);
}

function printed(id: string, { status, removed, kept, unreachable, verifiedAt }: ReceiptView): string {
  return [
    `${id}: erasure ${status}${verifiedAt === null ? "" : `, searched again at ${verifiedAt}`}`,
    ...removed.map(({ store, what, count }) => `  removed      ${store}: ${count} ${what}`),
    ...kept.map(({ what, why }) => `  kept         ${what}: ${why}`),
    ...unreachable.map(({ store, reason }) => `  unreachable  ${store}: ${reason}`),
  ].join("\n");
}
