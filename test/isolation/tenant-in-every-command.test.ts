/**
 * What no answer shows: a filter without its tenant that ids keep harmless today. A whole life of
 * tenants in one server, moves and an erasure included, and every call of the driver on a collection
 * of tenants' rows must name the tenant in what it sends.
 */
import { Collection } from "mongodb";
import { afterAll, beforeAll, expect, test } from "vitest";
import { movingCollections } from "../../src/storage/moving/moving-collections.js";
import { TestServer, until } from "../acceptance/server.js";

const ofTenants: ReadonlySet<string> = new Set([...movingCollections, "fences"]);
const methods = ["find", "findOne", "findOneAndUpdate", "findOneAndDelete", "countDocuments", "aggregate", "updateOne", "updateMany", "deleteOne", "deleteMany", "insertMany", "bulkWrite"] as const;
/** A collection's declared indexes, no rows. */
const aboutIndexes = /"\$listSearchIndexes"/;

const without = new Set<string>();
const seen = new Map<string, number>();
const originals = new Map<string, unknown>();
let server: TestServer;

/** Named as a field of its own, or within the key of a fence; in rows, pipelines and bulk operations by each of them. */
function namesTenant(value: unknown): boolean {
  if (Array.isArray(value)) {
    const [first] = value as readonly Readonly<Record<string, unknown>>[];
    if (first === undefined) return false;
    // A pipeline is narrowed by its first stage; the driver counts by one as well.
    if ("$vectorSearch" in first) return namesTenant((first["$vectorSearch"] as { filter: unknown }).filter);
    return "$match" in first ? namesTenant(first["$match"]) : value.every(namesTenant);
  }
  if (typeof value !== "object" || value === null) return false;
  const fields = value as Readonly<Record<string, unknown>>;
  if ("tenant_id" in fields) return isTenant(fields["tenant_id"]);
  const key = fields["_id"];
  if (typeof key === "object" && key !== null && "tenant" in key) return typeof key.tenant === "string";
  for (const operation of ["updateOne", "replaceOne", "deleteOne", "deleteMany"]) if (operation in fields) return namesTenant((fields[operation] as { filter: unknown }).filter);
  return "insertOne" in fields && namesTenant((fields["insertOne"] as { document: unknown }).document);
}

/** An erasure looks for rows under the tenant's keys that say they are another's. */
function isTenant(value: unknown): boolean {
  return typeof value === "string" || (typeof value === "object" && value !== null && "$ne" in value && typeof value.$ne === "string");
}

beforeAll(async () => {
  const prototype = Collection.prototype as unknown as Record<string, (...args: unknown[]) => unknown>;
  for (const method of methods) {
    const original = prototype[method];
    if (original === undefined) throw new TypeError(`The driver's collections have no ${method}`);
    originals.set(method, original);
    prototype[method] = function (this: Collection, ...args: unknown[]): unknown {
      if (ofTenants.has(this.collectionName) && !aboutIndexes.test(JSON.stringify(args[0] ?? null))) {
        seen.set(method, (seen.get(method) ?? 0) + 1);
        if (!namesTenant(args[0])) without.add(`${this.collectionName}.${method}(${JSON.stringify(args[0]).slice(0, 200)})`);
      }
      return original.apply(this, args);
    };
  }
  server = await TestServer.start();
}, 60_000);

afterAll(async () => {
  await server.stop();
  const prototype = Collection.prototype as unknown as Record<string, unknown>;
  for (const [method, original] of originals) prototype[method] = original;
});

test("every driver call on tenants' rows names its tenant, through an audit, a move there and back, a new key and an erasure", async () => {
  for (const id of ["ada", "bob"]) {
    await server.createTenant(id, "PRO");
    await server.ingest({ tenant: id }, `Plan of ${id}`, `The plan of ${id} is to have the plan of ${id} in the vault.`);
    await server.must({ tenant: id }, 'mutation { startConversation(input: { title: "Talk" }) { conversation { id } } }');
  }
  const move = async (tier: string): Promise<void> => {
    const changed = await server.must("operator", `mutation { changeTier(input: { tenantId: "ada", tier: ${tier} }) { placementMove { id } } }`);
    const moving = server.untilMoved(String(changed["changeTier"]?.["placementMove"]?.["id"]));
    // Written while it moves, so that the mover has something to follow.
    for (let at = 0; at < 5; at += 1) await server.must({ tenant: "ada" }, 'mutation { startConversation(input: { title: "Meanwhile" }) { conversation { id } } }');
    expect(await moving).toMatchObject({ phase: "DONE" });
  };
  await move("ENTERPRISE");
  await server.must("operator", 'mutation { rotateTenantKey(input: { tenantId: "ada" }) { finished } }');
  await move("PRO");
  const begun = await server.must("operator", "mutation { runIsolationAudit(input: { probes: 1 }) { report { id } } }");
  await until(async () => (String((await server.must("operator", "query ($id: ID) { isolationReport(id: $id) { state } }", { id: begun["runIsolationAudit"]?.["report"]?.["id"] }))["isolationReport"]?.["state"]) === "RUNNING" ? undefined : true), 200_000);
  await server.must("operator", 'mutation { eraseTenant(input: { tenantId: "ada" }) { receipt { status } } }');
  expect([...without]).toEqual([]);
  for (const method of methods.filter((name) => name !== "deleteOne")) expect(seen.get(method) ?? 0, method).toBeGreaterThan(0);
}, 280_000);
