/**
 * What no answer shows: a filter without its tenant that ids keep harmless today. A whole life of
 * tenants in one server, moves and an erasure included, then what happens rarely, and every call of
 * the driver on a collection of tenants' rows must name the tenant in what it sends. Which calls on
 * the control plane must as well is known in a copy of the source whose calls tell their names.
 */
import { Collection } from "mongodb";
import { resolve } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { movingCollections } from "../../src/storage/moving/moving-collections.js";
import { lostOf } from "../audit/mutants/mutated.js";
import { nameOfCall } from "../audit/mutants/driver-calls.js";
import { listCalls } from "../audit/mutants/mutant-tree.js";
import { driveRareCalls } from "./rare-calls.js";
import { namesTenant } from "./tenant-named.js";
import { TestServer, until } from "../acceptance/server.js";

const ofTenants: ReadonlySet<string> = new Set([...movingCollections, "fences"]);
const methods = ["find", "findOne", "findOneAndUpdate", "findOneAndDelete", "countDocuments", "aggregate", "updateOne", "updateMany", "deleteOne", "deleteMany", "insertMany", "bulkWrite", "insertOne", "replaceOne", "findOneAndReplace"] as const;
/** A collection's declared indexes, no rows. */
const aboutIndexes = /"\$listSearchIndexes"/;

const without = new Set<string>();
const driven = new Set<string>();
/** Calls whose mutant would send what this suite takes for right. */
const unseen = new Set<string>();
const seen = new Map<string, number>();
const originals = new Map<string, unknown>();
let server: TestServer;

function check(collection: string, method: string, argument: unknown): void {
  if (!namesTenant(collection, argument)) without.add(`${collection}.${method}(${JSON.stringify(argument)?.slice(0, 200)})`);
}

beforeAll(async () => {
  const prototype = Collection.prototype as unknown as Record<string, (...args: unknown[]) => unknown>;
  for (const method of methods) {
    const original = prototype[method];
    if (original === undefined) throw new TypeError(`The driver's collections have no ${method}`);
    originals.set(method, original);
    prototype[method] = function (this: Collection, ...args: unknown[]): unknown {
      seen.set(method, (seen.get(method) ?? 0) + 1);
      if (ofTenants.has(this.collectionName) && !aboutIndexes.test(JSON.stringify(args[0] ?? null))) {
        check(this.collectionName, method, args[0]);
      }
      for (const { name, value } of lostOf(args[0])) {
        driven.add(name);
        check(this.collectionName, method, args[0]);
        if (namesTenant(this.collectionName, value)) unseen.add(`${name} ${JSON.stringify(value)?.slice(0, 200)}`);
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
}, 280_000);

test("so does every call of a race, of a mover that died and of the hourly work; a neighbour's rows stay as they are", async () => {
  const { before, after, conflicts } = await driveRareCalls();
  expect([...without]).toEqual([]);
  expect(after).toBe(before);
  expect(conflicts).toBe(3);
  // One of them replaced in a driver's new version would be watched no more, without a word.
  for (const method of methods.filter((name) => name !== "findOneAndReplace")) expect(seen.get(method) ?? 0, method).toBeGreaterThan(0);
}, 60_000);

/** In a copy of the source whose calls tell their names: `test/proof/audit-mutants.test.ts` makes it. */
test.runIf(process.env["MUTANT"] === "each")("each call of a tenant is driven, and without its tenant it would be seen", () => {
  expect([...unseen]).toEqual([]);
  expect([...driven].toSorted()).toEqual(listCalls(resolve(import.meta.dirname, "../..")).tenant.map(nameOfCall).toSorted());
}, 120_000);
