import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { ControlPlane } from "../../src/storage/control/control-plane.js";
import { startTestDeployment, type TestDeployment } from "../support/engine.js";
import { dyingAt, World } from "./world.js";

let deployment: TestDeployment;
let world: World;
let next = 0;

beforeAll(async () => {
  deployment = await startTestDeployment();
  world = await World.start(deployment);
});
afterAll(async () => {
  await world.close();
  await deployment.close();
});

/** A tenant whose tier was changed back while its move to a silo was under way, so that the move has to be undone. */
async function unwantedMove() {
  const id = `undone-${(next += 1)}`;
  await world.administration.create({ id, name: id, tier: "PRO" });
  await world.write(id, "one");
  const { tenant: record, move } = await world.administration.changeTier(id, "ENTERPRISE");
  await world.control.directory.update(record, { tier: "PRO" });
  return { id, moveId: move?.id };
}

/** Counts control writes from the moment the move begins to be undone. */
function dyingWhileUndone(control: ControlPlane, at: number, when: "BEFORE" | "AFTER") {
  let undoing = false;
  const dying = dyingAt(control, at, when);
  const through = (isUndoing: boolean) => (undoing || isUndoing ? dying.control : control);
  return {
    ...dying,
    control: {
      ...control,
      directory: {
        find: control.directory.find.bind(control.directory), create: control.directory.create.bind(control.directory), page: control.directory.page.bind(control.directory),
        update: (...args: Parameters<ControlPlane["directory"]["update"]>) => through(false).directory.update(...args),
      },
      moves: {
        begin: control.moves.begin.bind(control.moves), find: control.moves.find.bind(control.moves), latestOf: control.moves.latestOf.bind(control.moves), lease: control.moves.lease.bind(control.moves),
        request: control.moves.request.bind(control.moves),
        recordUnless: (...args: Parameters<ControlPlane["moves"]["recordUnless"]>) => through(false).moves.recordUnless(...args),
        release: (...args: Parameters<ControlPlane["moves"]["release"]>) => through(false).moves.release(...args),
        record: async (...args: Parameters<ControlPlane["moves"]["record"]>) => {
          const row = await through(false).moves.record(...args);
          undoing ||= args[2].phase === "CANCELLING";
          return row;
        },
      },
    } satisfies ControlPlane,
  };
}

describe("a server killed while it undoes a move", () => {
  test("at any of its control writes leaves nothing stuck: another server ends it, and the tenant writes at home again", async () => {
    const probe = await unwantedMove();
    const counting = dyingWhileUndone(world.control, Number.POSITIVE_INFINITY, "BEFORE");
    await world.mover(counting.control).drive(probe.moveId);
    expect(counting.writes()).toBeGreaterThanOrEqual(3);
    for (let at = 1; at <= counting.writes(); at += 1) {
      for (const when of ["BEFORE", "AFTER"] as const) {
        const { id, moveId } = await unwantedMove();
        const dying = dyingWhileUndone(world.control, at, when);
        await world.mover(dying.control).drive(moveId);
        // On a slow machine the count above has some of a lease's heartbeats in it, and this run fewer.
        if (!dying.isDead()) expect(at).toBeGreaterThan(3);
        await world.expireLeases();
        await world.mover().drive(moveId);
        expect((await world.control.moves.latestOf((await world.context(id)).tenantId))?.phase, `phase after death at write ${at} ${when}`).toBe("FAILED");
        expect((await world.context(id)).record.placement).toMatchObject({ kind: "SETTLED", home: { kind: "POOL" }, epoch: 2 });
        await world.write(id, "two", 3_000);
        expect(await world.titles(id)).toEqual(["one", "two"]);
        expect(await world.orphans(id)).toEqual([]);
      }
    }
  }, 120_000);
});
