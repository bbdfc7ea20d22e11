/** Looks at a tenant's traces past every store, as root, on an engine of `startGuardedEngine`. */
import type { Document, MongoClient } from "mongodb";
import { parseTenantId } from "../../src/kernel/ids.js";
import { movingCollections } from "../../src/storage/moving/moving-collections.js";
import { readHome, type Home, type Placement } from "../../src/tenancy/tenant-record.js";
import type { MoveServer } from "./move-server.js";
import { prefix, tracesOf } from "./silo-fixture.js";

/** What would be an orphan once a move has ended: databases, users, secrets and rows that do not belong to the tenant's home. */
export async function orphansOf(root: MongoClient, server: MoveServer, tenant: string): Promise<readonly string[]> {
  const record = await server.control.directory.find(parseTenantId(tenant));
  if (record?.placement.kind !== "SETTLED") return [`placement ${record?.placement.kind ?? "none"}`];
  const { home } = record.placement;
  const belongs = new Set(home.kind === "POOL" ? [] : [`database ${home.database}`, `user ${home.database}`, `secret silo-data:${home.database}`, `secret silo-password:${home.database}`]);
  const traces = await tracesOf(root, server.control, tenant);
  const missing = [...belongs].filter((trace) => !traces.includes(trace)).map((trace) => `missing ${trace}`);
  const orphans = traces.filter((trace) => !belongs.has(trace));
  if (home.kind === "POOL") return [...missing, ...orphans];
  const pool = root.db(databaseOf({ kind: "POOL" }));
  for (const name of [...movingCollections, "tombstones"]) {
    const count = await pool.collection(name).countDocuments({ tenant_id: tenant });
    if (count > 0) orphans.push(`${count} rows in the pool's ${name}`);
  }
  // The root stays, closed, for a writer of the old epoch that wakes up late.
  const fences = await pool.collection<Document & { _id: { stripe: string } }>("fences").find({ tenant_id: tenant }).toArray();
  return [...missing, ...orphans, ...fences.filter((fence) => fence._id.stripe !== "root" || fence["open"] !== false).map((fence) => `fence ${fence._id.stripe} in the pool`)];
}

/** The directory's word, and how many documents lie at the home that it names. Undefined when it changed meanwhile. */
export async function countAtHome(root: MongoClient, tenant: string): Promise<{ readonly home: Home; readonly documents: number } | undefined> {
  const placement = async (): Promise<Placement | undefined> => {
    const row = await root.db(`${prefix}_control`).collection<{ _id: string; placement: Placement }>("tenants").findOne({ _id: tenant }, { readConcern: { level: "majority" } });
    return row?.placement;
  };
  const before = await placement();
  if (before === undefined) return undefined;
  const home = readHome(before);
  const documents = await root.db(databaseOf(home)).collection("documents").countDocuments({ tenant_id: tenant });
  const after = await placement();
  return after?.epoch === before.epoch ? { home, documents } : undefined;
}

/** Everything stored of a tenant, in one comparable text: for what must have changed nothing. */
export async function dumpOf(root: MongoClient, tenant: string): Promise<string> {
  const { databases } = await root.db("admin").admin().listDatabases({ nameOnly: true });
  const lines: string[] = [];
  for (const { name } of databases.filter((found) => found.name === databaseOf({ kind: "POOL" }) || found.name.startsWith(`${prefix}_${tenant}_`))) {
    for (const collection of [...movingCollections, "tombstones", "fences"]) {
      // A mover that wakes may still name itself at a closed fence: that lets it do nothing, and makes whoever drives the move claim it anew.
      for (const row of await root.db(name).collection(collection).find({ tenant_id: tenant }, { projection: { mover: 0 } }).sort({ _id: 1 }).toArray()) lines.push(`${name} ${collection} ${JSON.stringify(row)}`);
    }
  }
  const control = root.db(`${prefix}_control`);
  for (const row of await control.collection<{ _id: string }>("tenants").find({ _id: tenant }).toArray()) lines.push(JSON.stringify(row));
  for (const row of await control.collection("placement_moves").find({ tenant_id: tenant }, { projection: { lease_until: 0 } }).toArray()) lines.push(JSON.stringify(row));
  return lines.join("\n");
}

/** Makes the lease of a mover that is gone look as old as it will be some seconds later. */
export async function expireLease(root: MongoClient, tenant: string): Promise<void> {
  await root.db(`${prefix}_control`).collection("placement_moves").updateMany({ tenant_id: tenant, lease_until: { $exists: true } }, { $set: { lease_until: new Date(0) } });
}

function databaseOf(home: Home): string {
  return home.kind === "POOL" ? `${prefix}_pool` : home.database;
}
