import { MongoClient } from "mongodb";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startEngine } from "../../src/embedded/start-engine.js";
import { newId, parseTenantId, parseUserId, type RequestId } from "../../src/kernel/ids.js";
import { declareCollections } from "../../src/storage/declare-collections.js";
import { openLedger } from "../../src/storage/control/open-ledger.js";
import { openTenantContext } from "../../src/tenancy/tenant-context.js";
import { parseTierPolicies } from "../../src/tenancy/tier-policy.js";

const concurrent = 32;

/** Rows of the ledger that 32 callers write, each its next when its last is durable, and by how many inserts they got there. */
export async function measureLedgerCommits(rows: number): Promise<{ readonly rows: number; readonly commits: number; readonly perSecond: number }> {
  const dir = mkdtempSync(join(tmpdir(), "bulkhead-bench-"));
  const engine = await startEngine({ dir, listen: { host: "127.0.0.1", port: 0 } });
  const client = await new MongoClient(engine.uri, { writeConcern: { w: "majority" }, monitorCommands: true }).connect();
  try {
    const db = client.db("bulkhead_control");
    await declareCollections(db, "CONTROL", "POOL", { model: "bench", dimensions: 4 });
    let commits = 0;
    client.on("commandStarted", ({ commandName, command }) => {
      if (commandName === "insert" && (command as { insert?: string }).insert === "usage") commits += 1;
    });
    const nothingMarked = { has: async () => false, set: async () => {} };
    const policies = parseTierPolicies(JSON.parse(readFileSync(new URL("../../tenants/tiers.json", import.meta.url), "utf8")));
    const tenantId = parseTenantId("bench-tenant");
    const record = { id: tenantId, name: tenantId, tier: "PRO", state: "ACTIVE", placement: { kind: "SETTLED", home: { kind: "POOL" }, epoch: 1 }, createdAt: new Date(), version: 1 } as const;
    const context = openTenantContext({ kind: "TENANT", tenantId, userId: parseUserId("anna"), roles: ["member"], expiresAt: Infinity }, record, policies, newId<RequestId>("request"));
    const ledger = openLedger(db, nothingMarked).ledgerOf(context);
    let left = rows;
    const caller = async (): Promise<void> => {
      while (left > 0) {
        left -= 1;
        await ledger.append({ userPseudonym: "usr_bench", requestId: newId<RequestId>("request"), path: "ask", callNumber: 0, kind: "COMPLETION", operation: "ask", model: "bench", promptTokens: 60, completionTokens: 20, priceVersion: "1", costMicroUsd: 250, outcome: "OK", at: new Date() });
      }
    };
    const startedAt = performance.now();
    await Promise.all(Array.from({ length: concurrent }, caller));
    return { rows, commits, perSecond: (rows * 1_000) / (performance.now() - startedAt) };
  } finally {
    await client.close();
    await engine.close();
    rmSync(dir, { recursive: true, force: true });
  }
}
