import { afterAll, beforeAll, expect, test } from "vitest";
import { parseTenantId } from "../../src/kernel/ids.js";
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

test("a move is cancelled while one server sleeps in the middle of a write: the others' writes do not wait for it", async () => {
  const id = "sleepy";
  const sleeper = "server-9";
  await world.administration.create({ id, name: id, tier: "PRO" });
  await world.write(id, "one");
  const other = await World.start(deployment, { prefix: world.prefix, serverId: sleeper });
  await other.write(id, "two");
  const { move } = await world.administration.changeTier(id, "ENTERPRISE");
  if (move === undefined) throw new Error("No move was begun");
  await world.control.moves.request(move.id, "CANCEL");

  // It has taken its stripe and is stopped before it commits. Its stripe comes last: those of the others are closed before it is met.
  const session = deployment.client.startSession();
  session.startTransaction({ writeConcern: { w: "majority" } });
  const fences = deployment.client.db(`${world.prefix}_pool`).collection<{ _id: { tenant: string; stripe: string }; seq: number }>("fences");
  await fences.updateOne({ _id: { tenant: parseTenantId(id), stripe: sleeper } }, { $inc: { seq: 1 } }, { session });
  const mover = world.mover();
  mover.start();
  try {
    await new Promise((resolve) => setTimeout(resolve, 500));
    for (let write = 0; write < 4; write += 1) await world.write(id, `while-${write}`, 2_000);
    await session.abortTransaction();
    await expect.poll(async () => (await world.control.moves.find(move.id))?.phase, { timeout: 15_000 }).toBe("CANCELLED");
  } finally {
    await mover.close();
    await session.endSession();
  }
  expect((await world.context(id)).record.placement).toMatchObject({ kind: "SETTLED", home: { kind: "POOL" }, epoch: 2 });
  await other.write(id, "after");
  expect(await world.titles(id)).toEqual(["after", "one", "two", "while-0", "while-1", "while-2", "while-3"]);
  expect(await world.orphans(id)).toEqual([]);
  await other.close();
}, 60_000);
