import { afterAll, beforeAll, expect, test } from "vitest";
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

test("a move that was begun in the moment in which its tenant began to be erased ends, and makes and opens nothing", async () => {
  await world.administration.create({ id: "going", name: "Going", tier: "PRO" });
  await world.write("going", "one");
  const { tenant, move } = await world.administration.changeTier("going", "ENTERPRISE");
  await world.control.directory.update(tenant, { state: "ERASING" });
  await world.mover().drive(move?.id);
  expect(await world.control.moves.find(move?.id ?? ("" as never))).toMatchObject({ phase: "FAILED", failure: "The tenant is being erased" });
  expect((await world.control.directory.find(tenant.id))?.placement).toEqual(tenant.placement);
  expect(await world.orphans("going")).toEqual([]);
});
