import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { Deadline } from "../../src/kernel/deadline.js";
import type { MoveId } from "../../src/kernel/ids.js";
import { closeFence, readWatermarks } from "../../src/storage/fence.js";
import { startTestDeployment, type TestDeployment } from "../support/engine.js";
import { newDocument } from "../support/homes.js";
import { policies } from "../support/tenants.js";
import { moveTo, World } from "./world.js";

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

async function begun(documents = 2): Promise<{ id: string; moveId: MoveId }> {
  const id = `asked-${(next += 1)}`;
  await world.administration.create({ id, name: id, tier: "PRO" });
  for (let n = 0; n < documents; n += 1) await world.write(id, `d${n}`);
  const { move } = await world.administration.changeTier(id, "ENTERPRISE");
  if (move === undefined) throw new Error("No move was begun");
  return { id, moveId: move.id };
}

/** Runs `work` once, when the mover comes by `point`. */
function once(point: string, work: () => Promise<unknown>): (at: string) => Promise<void> {
  let done = false;
  return async (at) => {
    if (done || at !== point) return;
    done = true;
    await work();
  };
}

/** As the process would be: from this point on the mover gets nowhere, not even to undo what it did. */
function killedAt(point: string): (at: string) => Promise<void> {
  return (at) => (at === point ? new Promise<never>(() => {}) : Promise.resolve());
}

describe("a move that is cancelled", () => {
  for (const point of ["PREPARING before", "COPYING before", "COPYING batch committed", "FOLLOWING begins", "VERIFYING begins", "VERIFYING ends"]) {
    test(`at "${point}" ends CANCELLED, the tenant writes at home, nothing is left of the silo`, async () => {
      const { id, moveId } = await begun();
      await world.mover(world.control, { at: once(point, () => world.control.moves.request(moveId, "CANCEL")) }).drive(moveId);
      expect(await world.control.moves.find(moveId)).toMatchObject({ phase: "CANCELLED" });
      expect((await world.context(id)).record.placement).toMatchObject({ kind: "SETTLED", home: { kind: "POOL" }, epoch: 2 });
      await world.write(id, "after");
      expect(await world.titles(id)).toEqual(["after", "d0", "d1"]);
      expect(await world.orphans(id)).toEqual([]);
    });
  }

  test("after it has committed to the switch is refused, CONFLICT, and goes on", async () => {
    const { id, moveId } = await begun();
    let refused: unknown;
    const ask = () => world.control.moves.request(moveId, "CANCEL").catch((error: unknown) => (refused = error));
    await world.mover(world.control, { at: once("SWITCHING committed", ask) }).drive(moveId);
    expect(refused).toMatchObject({ code: "CONFLICT" });
    expect(await world.control.moves.find(moveId)).toMatchObject({ phase: "DONE" });
    expect(await world.titles(id)).toEqual(["d0", "d1"]);
  });

  test("that nobody knows is NOT_FOUND", async () => {
    await expect(world.control.moves.request("mov_nobody" as MoveId, "CANCEL")).rejects.toMatchObject({ code: "NOT_FOUND" });
  });
});

describe("a switch that is called back", () => {
  test("keeps what was written, changed and removed in the silo, and leaves nothing there", async () => {
    const { id, moveId } = await begun(3);
    const [first] = await world.documents(id);
    const work = async (): Promise<void> => {
      await world.write(id, "in the silo");
      const deadline = Deadline.after(5_000);
      const context = await world.context(id);
      expect(context.record.placement).toMatchObject({ home: { kind: "SILO" } });
      await world.router.write(context, deadline, (store) => store.documents.remove(first?.id ?? ("" as never)));
      deadline.dispose();
      await world.control.moves.request(moveId, "REVERT");
    };
    await world.mover(world.control, { observeMs: 60_000, at: once("OBSERVING before", work) }).drive(moveId);
    expect(await world.control.moves.find(moveId)).toMatchObject({ phase: "REVERTED" });
    expect((await world.context(id)).record.placement).toMatchObject({ kind: "SETTLED", home: { kind: "POOL" }, epoch: 3 });
    expect(await world.titles(id)).toEqual(["d0", "d1", "d2"].filter((title) => title !== first?.title).concat("in the silo").toSorted());
    await world.write(id, "after");
    expect(await world.orphans(id)).toEqual([]);
  });

  test("only follows back what is new: rows that did not change are not copied again", async () => {
    const { id, moveId } = await begun(10);
    let before = -1;
    const work = async (): Promise<void> => {
      before = (await world.control.moves.find(moveId))?.copied ?? -1;
      await world.control.moves.request(moveId, "REVERT");
    };
    await world.mover(world.control, { observeMs: 60_000, at: once("OBSERVING before", work) }).drive(moveId);
    expect(await world.control.moves.find(moveId)).toMatchObject({ phase: "REVERTED", copied: before });
    expect((await world.titles(id)).length).toBe(10);
  });

  test("while the old home is being retired is refused, CONFLICT", async () => {
    const { id, moveId } = await begun();
    let refused: unknown;
    const ask = () => world.control.moves.request(moveId, "REVERT").catch((error: unknown) => (refused = error));
    await world.mover(world.control, { at: once("RETIRING begins", ask) }).drive(moveId);
    expect(refused).toMatchObject({ code: "CONFLICT" });
    expect(await world.titles(id)).toEqual(["d0", "d1"]);
  });

  test("ends at once when an operator asks to retire", async () => {
    const { moveId } = await begun();
    const startedAt = performance.now();
    await world.mover(world.control, { observeMs: 60_000, at: once("OBSERVING before", () => world.control.moves.request(moveId, "RETIRE")) }).drive(moveId);
    expect(await world.control.moves.find(moveId)).toMatchObject({ phase: "DONE" });
    expect(performance.now() - startedAt).toBeLessThan(20_000);
  });
});

describe("a pause that a hanging writer would make long", () => {
  test("is given up: others go on writing, and the switch is made when the writer has ended", async () => {
    const { id, moveId } = await begun();
    const pool = await world.homes.lease("POOL");
    const context = await world.context(id);
    const session = deployment.client.startSession();
    const hang = async (): Promise<void> => {
      session.startTransaction({ writeConcern: { w: "majority" } });
      await pool.value.database.db.collection<{ _id: { tenant: string; stripe: string } }>("fences").updateOne({ _id: { tenant: id, stripe: "server-1" } }, { $inc: { seq: 1 } }, { session });
    };
    const other = await World.start(deployment, { prefix: world.prefix, serverId: "server-2" });
    await other.write(id, "before");
    let written = "";
    const release = async (): Promise<void> => {
      // The pause was given up once: the other server's stripe is open again though this one's writer still hangs.
      written = "while it hung";
      await other.write(id, written, 3_000);
      await session.abortTransaction();
    };
    const at = async (point: string): Promise<void> => {
      await hangOnce(point);
      await releaseOnce(point);
    };
    const hangOnce = once("SWITCHING pause begins", hang);
    const releaseOnce = once("FOLLOWING before again", release);
    let followings = 0;
    await world.mover(world.control, { at: (point) => at(point === "FOLLOWING before" && (followings += 1) === 2 ? "FOLLOWING before again" : point) }).drive(moveId);
    await session.endSession();
    pool.release();
    expect(written).not.toBe("");
    expect(await world.control.moves.find(moveId)).toMatchObject({ phase: "DONE" });
    expect(await world.titles(id)).toEqual(["before", "d0", "d1", written].toSorted());
    expect(context.tenantId).toBe(id);
    await other.close();
  }, 30_000);
});

describe("a server that dies within the pause", () => {
  test("keeps no writer waiting for a whole verification: whoever takes over lets them go on first", async () => {
    const { id, moveId } = await begun();
    const dead = world.mover(world.control, { at: killedAt("SWITCHING source closed") });
    void dead.drive(moveId);
    await vi.waitFor(async () => expect(await world.isClosed(id)).toBe(true), 5_000);
    expect(await world.control.moves.find(moveId)).toMatchObject({ phase: "SWITCHING" });
    await expect(world.write(id, "too early", 300)).rejects.toMatchObject({ code: "SERVICE_UNAVAILABLE" });
    await world.expireLeases();
    let wrote = false;
    const at = once("VERIFYING before", async () => {
      await world.write(id, "meanwhile", 2_000);
      wrote = true;
    });
    await world.mover(world.control, { at }).drive(moveId);
    expect(wrote).toBe(true);
    expect(await world.control.moves.find(moveId)).toMatchObject({ phase: "DONE" });
    expect(await world.titles(id)).toEqual(["d0", "d1", "meanwhile"]);
  }, 30_000);
});

describe("the numbers of a tenant's writes", () => {
  test("go on over its homes: a follower of the next move sees no old row as new", async () => {
    const { id, moveId } = await begun(5);
    const context = await world.context(id);
    const pool = await world.homes.lease("POOL");
    const before = new Map((await readWatermarks(pool.value.database, context.tenantId)).map(({ stripe, seq }) => [stripe, seq]));
    await world.mover().drive(moveId);
    const silo = await world.homes.lease(`SILO ${world.prefix}_${id}_2`);
    const after = new Map((await readWatermarks(silo.value.database, context.tenantId)).map(({ stripe, seq }) => [stripe, seq]));
    for (const [stripe, seq] of before) expect(after.get(stripe) ?? -1, stripe).toBeGreaterThanOrEqual(seq);
    silo.release();
    pool.release();
    const moved = await moveTo(world, id, "PRO");
    expect(moved).toMatchObject({ phase: "DONE", copied: moved.total });
  });

  test("are refused at the old home for good", async () => {
    const { id, moveId } = await begun();
    const stale = await world.context(id);
    const pool = await world.homes.lease("POOL");
    await world.mover().drive(moveId);
    await expect(pool.value.store(stale, stale.epoch).documents.add(newDocument(), policies.PRO)).rejects.toMatchObject({ name: "FenceRefused" });
    await expect(closeFence(pool.value.database, stale.tenantId, 1)).resolves.toBeUndefined();
    pool.release();
  });
});
