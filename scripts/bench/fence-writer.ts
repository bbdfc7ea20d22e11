/** One server's part of `fence.bench.ts`: writes conversations of one tenant, through its store or as plain inserts. */
import { randomBytes } from "node:crypto";
import { MongoClient } from "mongodb";
import { newId, parseTenantId, type RequestId } from "../../src/kernel/ids.js";
import { silentTelemetry } from "../../src/kernel/telemetry.js";
import { openFence } from "../../src/storage/fence.js";
import { openHome } from "../../src/storage/home.js";
import { openJobContext } from "../../src/tenancy/tenant-context.js";
import { parseTierPolicies } from "../../src/tenancy/tier-policy.js";
import { readFile } from "node:fs/promises";

const [uri = "", database = "", server = ""] = process.argv.slice(2);
const tenantId = parseTenantId("bench-tenant");
const policies = parseTierPolicies(JSON.parse(await readFile(new URL("../../tenants/tiers.json", import.meta.url), "utf8")));
const client = await new MongoClient(uri, { writeConcern: { w: "majority" }, maxPoolSize: 64 }).connect();
const home = await openHome({ client, database, kind: { kind: "POOL" }, embedding: { model: "bench", dimensions: 4 }, serverId: server, local: true, telemetry: silentTelemetry });
await openFence(home.database, tenantId, 1);
const context = openJobContext({ id: tenantId, name: "Bench", tier: "PRO", state: "ACTIVE", placement: { kind: "SETTLED", home: { kind: "POOL" }, epoch: 1 }, createdAt: new Date(), version: 1 }, policies, newId<RequestId>("request"));
const conversations = home.store(context, 1).conversationsOf(context.userId);
const plain = home.database.db.collection<{ _id: string }>("conversations");

const ways = {
  fenced: () => conversations.start("A conversation about something"),
  plain: () => {
    const now = new Date();
    const row = { _id: `${tenantId}/${randomBytes(12).toString("base64url")}`, user_id: "user", title: "A conversation about something", turns: 0, created_at: now, updated_at: now, tenant_id: tenantId, stripe: "plain", seq: 1 };
    return plain.insertOne(row);
  },
};

interface Question {
  readonly way: keyof typeof ways;
  readonly writers: number;
  readonly forMs: number;
}

process.on("message", (question: Question) => void run(question).then((answer) => process.send?.(answer)));
process.send?.("ready");

async function run({ way, writers, forMs }: Question): Promise<{ writes: number; tookMs: number; latenciesMs: number[] }> {
  const latenciesMs: number[] = [];
  const startedAt = performance.now();
  const endsAt = startedAt + forMs;
  const writer = async (): Promise<void> => {
    while (performance.now() < endsAt) {
      const beganAt = performance.now();
      await ways[way]();
      latenciesMs.push(performance.now() - beganAt);
    }
  };
  await Promise.all(Array.from({ length: writers }, writer));
  return { writes: latenciesMs.length, tookMs: performance.now() - startedAt, latenciesMs };
}
