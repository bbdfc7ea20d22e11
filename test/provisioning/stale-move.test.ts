import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { newId, parseTenantId, type MoveId } from "../../src/kernel/ids.js";
import { ErasingWorld, nothingButTheId } from "../erasing/erasing-world.js";
import { startTestDeployment, type TestDeployment } from "../support/engine.js";
import { moveTo, World } from "./world.js";

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

/** As a server does that read the directory while the tenant was in the pool in epoch 1, and slept until now. */
async function beginLate(of: World, id: string): Promise<MoveId> {
  const tenantId = parseTenantId(id);
  const to = await of.silos.place(tenantId, 2);
  const move = await of.control.moves.begin({ id: newId<MoveId>("move"), tenantId, from: { kind: "POOL" }, to, targetEpoch: 2, fromTier: "PRO", toTier: "ENTERPRISE" });
  return move.id;
}

describe("a move that was begun from an old view of the directory", () => {
  test.each([[false], [true]])("ends without touching the home the tenant has now, cancelled %s", async (cancelled) => {
    const id = `late-${cancelled}`;
    await world.administration.create({ id, name: id, tier: "PRO" });
    await world.write(id, "one");
    expect(await moveTo(world, id, "ENTERPRISE")).toMatchObject({ phase: "DONE" });
    const late = await beginLate(world, id);
    if (cancelled) await world.control.moves.request(late, "CANCEL");
    await world.mover().drive(late);
    expect((await world.control.moves.find(late))?.phase).toBe(cancelled ? "CANCELLED" : "FAILED");
    expect((await world.context(id)).record.placement).toMatchObject({ kind: "SETTLED", home: { kind: "SILO" }, epoch: 2 });
    expect(await world.isClosed(id)).toBe(true);
    await world.write(id, "two");
    expect(await world.titles(id)).toEqual(["one", "two"]);
    // And the tenant is not stuck: it moves as before.
    expect(await moveTo(world, id, "PRO")).toMatchObject({ phase: "DONE" });
    expect(await world.titles(id)).toEqual(["one", "two"]);
  });

  test("while the tenant is erased ends, so that the erasure does too, and leaves no silo", async () => {
    const erasing = await ErasingWorld.start(deployment);
    const { control } = erasing.world;
    const id = "late-erased";
    await erasing.world.administration.create({ id, name: id, tier: "PRO" });
    await erasing.world.write(id, "one");
    let begun = false;
    const late = {
      ...control,
      erasures: {
        begin: control.erasures.begin.bind(control.erasures), find: control.erasures.find.bind(control.erasures), lease: control.erasures.lease.bind(control.erasures), release: control.erasures.release.bind(control.erasures),
        record: async (...args: Parameters<typeof control.erasures.record>) => {
          const row = await control.erasures.record(...args);
          if (row.phase === "REMOVING" && !begun) {
            begun = true;
            await beginLate(erasing.world, id);
          }
          return row;
        },
      },
    };
    const mover = erasing.world.mover();
    mover.start();
    try {
      expect(await erasing.erase(id, erasing.eraser(late, 5_000))).toMatchObject({ status: "COMPLETE", unreachable: [] });
    } finally {
      await mover.close();
    }
    expect(await erasing.remains(id)).toEqual({ ...nothingButTheId, "control.tenant_secrets": 1 });
    await erasing.close();
  });
});
