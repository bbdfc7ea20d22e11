import { afterAll, beforeAll, expect, test } from "vitest";
import { parseTenantId } from "../../src/kernel/ids.js";
import { openFence } from "../../src/storage/fence.js";
import { startTestDeployment, type TestDeployment } from "../support/engine.js";
import { World } from "./world.js";

let deployment: TestDeployment;
let world: World;

beforeAll(async () => {
  deployment = await startTestDeployment();
  world = await World.start(deployment);
});
afterAll(async () => {
  await world.close();
  await deployment.close();
});

test("a tenant of a silo tier whose server was killed before its move began is sent home, once", async () => {
  const id = parseTenantId("half-made");
  const pool = await world.homes.lease("POOL");
  await openFence(pool.value.database, id, 1);
  pool.release();
  await world.control.directory.create({ id, name: "Half made", tier: "ENTERPRISE" });
  await world.administration.sendHome(id);
  const begun = await world.control.moves.latestOf(id);
  expect(begun).toMatchObject({ phase: "PREPARING", to: { kind: "SILO" } });
  // The next start comes while the move is under way, and one more after its end.
  await world.administration.sendHome(id);
  await world.mover().drive(begun?.id);
  await world.administration.sendHome(id);
  expect((await world.control.moves.latestOf(id))?.id).toBe(begun?.id);
  expect((await world.context(id)).record.placement).toMatchObject({ kind: "SETTLED", home: { kind: "SILO" } });
});
