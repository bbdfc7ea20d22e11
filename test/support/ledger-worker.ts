/** A server as a process of its own that writes rows of the ledger. Told what to do by test/isolation/ledger.test.ts. */
import type { RequestId } from "../../src/kernel/ids.js";
import { silentTelemetry } from "../../src/kernel/telemetry.js";
import { openControlPlane } from "../../src/storage/control/open-control-plane.js";
import { connectMongo } from "../../src/storage/mongo-connection.js";
import { contextOf } from "./tenants.js";

export interface LedgerErrand {
  readonly tenant: string;
  readonly writers: number;
  readonly rows: number;
}

export type LedgerNews = "READY" | { readonly outcomes: readonly ("WRITTEN" | string)[] };

const [uri = "", database = ""] = process.argv.slice(2);
const client = await connectMongo({ uri, local: true, appName: "ledger-worker", maxPoolSize: 10, telemetry: silentTelemetry });
const control = openControlPlane(client, client.db(database), { current: Buffer.alloc(32, 1) });

process.on("message", (message) => {
  void write(message as LedgerErrand).then((news) => process.send?.(news, undefined, undefined, () => void client.close().then(() => process.disconnect())));
});
process.send?.("READY" satisfies LedgerNews);

/** Every writer writes the same rows, as retries of one call on several servers would. */
async function write({ tenant, writers, rows }: LedgerErrand): Promise<LedgerNews> {
  const ledger = control.ledgerOf(contextOf(tenant));
  const appends = Array.from({ length: writers * rows }, (_, at) => {
    const number = at % rows;
    return ledger.append({
      userPseudonym: "usr_same", requestId: `req_${number % 5}` as RequestId, path: number % 2 === 0 ? "ask" : "first.ask", callNumber: Math.floor(number / 10), kind: "COMPLETION", operation: "ask",
      model: "same-model", promptTokens: 1, completionTokens: 1, priceVersion: "v1", costMicroUsd: 3, outcome: "OK", at: new Date("2026-06-20T12:00:00Z"),
    });
  });
  const settled = await Promise.allSettled(appends);
  return { outcomes: settled.map((outcome) => (outcome.status === "fulfilled" ? "WRITTEN" : String(outcome.reason))) };
}
