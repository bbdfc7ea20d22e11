/**
 * What a server does only in a race, after a death or once an hour, done at once by its stores: the
 * driver calls that a life of tenants over HTTP does not reach for certain. Two tenants that are alike
 * each have a neighbour's rows beside them.
 */
import type { DocumentId, TenantId } from "../../src/kernel/ids.js";
import { newId } from "../../src/kernel/ids.js";
import { closeFence, closeRoot, openFence, reopenFence } from "../../src/storage/fence.js";
import type { TenantHome } from "../../src/storage/home.js";
import { differingSets } from "../../src/storage/moving/compare-tenant.js";
import { copyTenant, removeBehind } from "../../src/storage/moving/copy-tenant.js";
import { followTenant } from "../../src/storage/moving/follow-tenant.js";
import { claim } from "../../src/storage/moving/mover-guard.js";
import type { InTurn, MovingHome } from "../../src/storage/moving/moving-home.js";
import { clearRows } from "../../src/storage/row-sealer.js";
import { newChunk, newDocument, openTestHome, openTestStore, testEmbedding } from "../support/homes.js";
import { contextOf, policies } from "../support/tenants.js";
import { LedgerWorld, rowAt } from "../usage/ledger-world.js";

const at = new Date("2026-06-14T10:30:00Z");
const day = { from: new Date("2026-06-14T00:00:00Z"), to: new Date("2026-06-15T00:00:00Z") };
const [ada, bob] = [contextOf("ada"), contextOf("bob")];
const inTurn: InTurn = (batch) => batch();

export interface RareEffects {
  /** Of the neighbour, everything that lies in the databases, before and after. */
  readonly before: string;
  readonly after: string;
  readonly conflicts: number;
}

export async function driveRareCalls(): Promise<RareEffects> {
  const world = await LedgerWorld.open("rare");
  try {
    const source = await openTestHome(world.deployment, { suffix: "pool" });
    const target = await openTestHome(world.deployment, { suffix: "silo", owner: "ada" });
    await seed(world, source);
    const before = await rowsOfBob(world, source);
    const conflicts = (await changeControl(world)) + (await move(source, target));
    return { before, after: await rowsOfBob(world, source), conflicts };
  } finally {
    await world.close();
  }
}

/** The same for both tenants, so that only the tenant tells them apart. */
async function seed({ control }: LedgerWorld, source: TenantHome): Promise<void> {
  const { rollups } = control;
  await rollups.setReady();
  for (const context of [ada, bob]) {
    await control.directory.create({ id: context.tenantId, name: "Same", tier: "PRO" });
    await control.erasures.begin(context.tenantId);
    await control.ledgerOf(context).append(rowAt(at, 1));
    await control.spending.replace(spending(context.tenantId, 1));
    const store = await openTestStore(source, context);
    await store.documents.add(newDocument(), policies.PRO);
  }
  // What the projector does when an hour has been quiet for a while: a server's own need not come to it in this short life.
  await rollups.releaseHours(0);
  await rollups.project(10);
}

/** Returns how many conflicts were told. */
async function changeControl({ control }: LedgerWorld): Promise<number> {
  const { directory, erasures, spending: rows, corrections, rollups } = control;
  await erasures.begin(ada.tenantId);
  const record = await directory.find(ada.tenantId);
  if (record === undefined) throw new TypeError("The tenant was not created");
  await directory.update(record, { name: "Another" });
  const conflicts = await conflictOf(directory.update(record, { name: "Too late" }));
  await rows.change(ada.tenantId, { holder: "one", only: { day: "2026-06-14", month: "2026-06", budgetVersion: 0, seq: undefined }, seq: 1, add: { dayMicroUsd: 5, monthMicroUsd: 5, heldMicroUsd: 5, calls: 1 }, until: at });
  await rows.replace(spending(ada.tenantId, 3));
  const [call] = await corrections.page(ada.tenantId, day, undefined, 10);
  if (call === undefined) throw new TypeError("The call was not listed");
  await corrections.correct([{ call, priceVersion: "v2", differenceMicroUsd: -3 }]);
  await rollups.markStale();
  return conflicts;
}

/** As a mover that died twice, with a document that was removed meanwhile. Returns how many conflicts were told. */
async function move(from: TenantHome, to: TenantHome): Promise<number> {
  const [source, target] = [from, to].map(({ database }): MovingHome => ({ database, sealer: clearRows })) as [MovingHome, MovingHome];
  const store = from.store(ada, ada.epoch);
  const id = newId<DocumentId>("document");
  await store.documents.add(newDocument({ id }), policies.PRO);
  await store.documents.publish(id, [newChunk(0, [1, 0, 0, 0])], testEmbedding, policies.PRO);
  await claim(target.database, ada.tenantId, "mover");
  await copyTenant(source, target, ada.tenantId, "mover", undefined, inTurn, async () => {});
  await store.documents.remove(id);
  await followTenant(source, target, ada.tenantId, "mover", []);
  await differingSets(source, target, ada.tenantId, [{ collection: "chunks", field: "document_id", value: id }, { collection: "documents", field: "_id", value: `ada/${id}` }]);
  await removeBehind(target.database, ada.tenantId, "mover", { collection: "documents", id: "" });
  await closeFence(source.database, ada.tenantId, 1, "mover");
  await reopenFence(source.database, ada.tenantId, 1, "mover");
  const [early, late] = [await conflictOf(openFence(source.database, ada.tenantId, 2)), await conflictOf(closeRoot(source.database, ada.tenantId, 0))];
  return early + late;
}

async function conflictOf(work: Promise<unknown>): Promise<number> {
  try {
    await work;
    return 0;
  } catch (error) {
    if ((error as { code?: string }).code === "CONFLICT") return 1;
    throw error;
  }
}

async function rowsOfBob({ db }: LedgerWorld, { database }: TenantHome): Promise<string> {
  const keyed = ["tenants", "erasures", "spending"].map((name) => db.collection<{ _id: string }>(name).find({ _id: bob.tenantId }).toArray());
  const owned = ["usage"].map((name) => db.collection(name).find({ tenant_id: bob.tenantId }).sort({ _id: 1 }).toArray());
  const content = ["documents", "raw_documents", "chunks", "totals", "fences"].map((name) => database.db.collection(name).find({ tenant_id: bob.tenantId }).sort({ _id: 1 }).toArray());
  return JSON.stringify(await Promise.all([...keyed, ...owned, ...content]));
}

function spending(tenantId: TenantId, version: number): Parameters<LedgerWorld["control"]["spending"]["replace"]>[0] {
  return { tenantId, version, day: "2026-06-14", month: "2026-06", dayMicroUsd: 0, monthMicroUsd: 0, running: 0, doubtful: false, holds: {}, warned: { day: 0, month: 0 }, budget: {}, budgetVersion: 0 };
}
