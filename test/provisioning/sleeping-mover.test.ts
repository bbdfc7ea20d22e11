import { once } from "node:events";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { conflict } from "../../src/kernel/errors.js";
import { parseTenantId } from "../../src/kernel/ids.js";
import { emptyHome } from "../../src/provisioning/change-placement.js";
import { isFenceOpen, openFence } from "../../src/storage/fence.js";
import { asMover, claim, isClaimed } from "../../src/storage/moving/mover-guard.js";
import { startTestDeployment, type TestDeployment } from "../support/engine.js";
import { moveTo, World } from "./world.js";

let deployment: TestDeployment;
let world: World;
const pool = { kind: "POOL" } as const;

beforeAll(async () => {
  deployment = await startTestDeployment();
  world = await World.start(deployment);
});
afterAll(async () => {
  await world.close();
  await deployment.close();
});

/** A tenant that lives in a silo, so that its fence in the pool is closed and a move back may be writing there. */
async function tenantInSilo(id: string) {
  await world.administration.create({ id, name: id, tier: "PRO" });
  await world.write(id, "one");
  await moveTo(world, id, "ENTERPRISE");
  return parseTenantId(id);
}

describe("a mover that slept until another had ended its move", () => {
  test("deletes nothing of what a later move is copying to the database it meant to empty", async () => {
    const tenantId = await tenantInSilo("sleeper");
    const documents = deployment.client.db(`${world.prefix}_pool`).collection("documents");
    const silo = deployment.client.db(`${world.prefix}_${tenantId}_2`);
    await documents.insertMany(await silo.collection("documents").find().toArray());
    const move = await world.control.moves.latestOf(tenantId);
    if (move === undefined) throw new Error("The tenant was not moved");
    const asleep = { move, token: "asleep", record: () => Promise.reject(conflict("The placement move is driven by another server now")) };
    await expect(emptyHome(world, pool, asleep)).rejects.toMatchObject({ code: "CONFLICT" });
    expect(await documents.countDocuments({ tenant_id: tenantId })).toBe(1);
  });

  test("in the middle of a batch is outwaited by the one that takes over, not taken for a fault of the move", async () => {
    const tenantId = await tenantInSilo("batch");
    const lease = await world.homes.lease("POOL");
    await claim(lease.value.database, tenantId, "asleep");
    const [sleep, wake] = [new AbortController(), new AbortController()];
    const [sleeps, wakes] = [once(sleep.signal, "abort"), once(wake.signal, "abort")];
    const batch = asMover(lease.value.database, tenantId, "asleep", async () => {
      sleep.abort();
      await wakes;
    });
    await sleeps;
    const taking = claim(lease.value.database, tenantId, "awake");
    expect(await Promise.race([taking, new Promise((resolve) => setTimeout(() => resolve("waits"), 200))])).toBe("waits");
    wake.abort();
    await batch;
    await taking;
    expect(await isClaimed(lease.value.database, tenantId, "awake")).toBe(true);
    lease.release();
  });

  test("cannot open a fence that another mover has claimed since", async () => {
    const tenantId = await tenantInSilo("opener");
    const lease = await world.homes.lease("POOL");
    await claim(lease.value.database, tenantId, "asleep");
    await claim(lease.value.database, tenantId, "awake");
    await expect(openFence(lease.value.database, tenantId, 3, "asleep")).rejects.toMatchObject({ code: "CONFLICT" });
    expect(await isFenceOpen(lease.value.database, tenantId, 3)).toBe(false);
    await openFence(lease.value.database, tenantId, 3, "awake");
    expect(await isFenceOpen(lease.value.database, tenantId, 3)).toBe(true);
    lease.release();
  });
});
