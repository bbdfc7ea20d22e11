import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Deadline } from "../../src/kernel/deadline.js";
import { parseTenantId } from "../../src/kernel/ids.js";
import { closeFence } from "../../src/storage/fence.js";
import { asMover, claim } from "../../src/storage/moving/mover-guard.js";
import { movingCollections, stayingCollections } from "../../src/storage/moving/moving-collections.js";
import { readDeclarations } from "../../src/storage/collection-declaration.js";
import { startTestDeployment, type TestDeployment } from "../support/engine.js";
import { policies } from "../support/tenants.js";
import { newDocument } from "../support/homes.js";
import { dyingAt, moveTo, World } from "./world.js";

let deployment: TestDeployment;
let world: World;
let next = 0;
const deathStride = process.env["PROOF_MOVE_DEATHS"] === "all" ? 1 : 8;

beforeAll(async () => {
  deployment = await startTestDeployment();
  world = await World.start(deployment);
});
afterAll(async () => {
  await world.close();
  await deployment.close();
});

/** A tenant in the pool with two documents, and a neighbour that must not notice anything. */
async function tenant(): Promise<string> {
  const id = `tenant-${(next += 1)}`;
  await world.administration.create({ id, name: id, tier: "PRO" });
  await world.write(id, "one");
  await world.write(id, "two");
  return id;
}

describe("a placement move", () => {
  test("takes the tenant whole into a silo and back, and leaves nothing behind", async () => {
    const id = await tenant();
    expect(await moveTo(world, id, "ENTERPRISE")).toMatchObject({ phase: "DONE", copied: 7, total: 7 });
    expect((await world.context(id)).record.placement).toMatchObject({ kind: "SETTLED", home: { kind: "SILO" }, epoch: 2 });
    expect(await world.titles(id)).toEqual(["one", "two"]);
    expect(await world.orphans(id)).toEqual([]);
    await world.write(id, "three");
    expect(await moveTo(world, id, "FREE")).toMatchObject({ phase: "DONE" });
    expect((await world.context(id)).record.placement).toMatchObject({ home: { kind: "POOL" }, epoch: 3 });
    expect(await world.titles(id)).toEqual(["one", "three", "two"]);
    expect(await world.orphans(id)).toEqual([]);
  });

  test("moves every tenant collection that is declared, or says why it stays", async () => {
    const declared = (await readDeclarations("TENANT")).map(({ collection }) => collection).toSorted();
    expect([...movingCollections, ...Object.keys(stayingCollections)].toSorted()).toEqual(declared);
  });

  test("of one tenant excludes a second: CONFLICT", async () => {
    const id = await tenant();
    await world.administration.changeTier(id, "ENTERPRISE");
    await expect(world.administration.changeTier(id, "ENTERPRISE")).rejects.toMatchObject({ code: "CONFLICT" });
    await world.mover().drive();
    expect(await world.titles(id)).toEqual(["one", "two"]);
  });

  test("ends in no home that the tenant's tier does not call for, though the tier was changed behind its back", async () => {
    const id = await tenant();
    const { tenant: record, move } = await world.administration.changeTier(id, "ENTERPRISE");
    await world.control.directory.update(record, { tier: "FREE" });
    await world.mover().drive(move?.id);
    expect((await world.context(id)).record).toMatchObject({ tier: "FREE", placement: { kind: "SETTLED", home: { kind: "POOL" } } });
    expect(await world.titles(id)).toEqual(["one", "two"]);
    expect(await world.orphans(id)).toEqual([]);
  });

  test("lets a write that comes while it runs wait, and lands it once on the new side", async () => {
    const id = await tenant();
    const pool = await world.homes.lease("POOL");
    const before = await world.context(id);
    const { move } = await world.administration.changeTier(id, "ENTERPRISE");
    // The fence is closed already, as in the pause of a move; the directory still shows the old epoch.
    await closeFence(pool.value.database, before.tenantId, before.epoch);
    pool.release();
    const writing = world.write(id, "during");
    await world.mover().drive(move?.id);
    await writing;
    expect(await world.titles(id)).toEqual(["during", "one", "two"]);
    expect(await world.orphans(id)).toEqual([]);
  });

  test("refuses the write of a server that was paused with an old view, before it has any effect", async () => {
    const id = await tenant();
    const stale = await world.context(id);
    const pool = await world.homes.lease("POOL");
    const staleStore = pool.value.store(stale, stale.epoch);
    await moveTo(world, id, "ENTERPRISE");
    await expect(staleStore.documents.add(newDocument({ title: "late" }), policies.PRO)).rejects.toMatchObject({ name: "FenceRefused" });
    pool.release();
    expect(await world.titles(id)).toEqual(["one", "two"]);
    expect(await world.orphans(id)).toEqual([]);
  });

  test("whose copy differs from its source is undone: nothing is lost and writes go on", async () => {
    const id = await tenant();
    const { move } = await world.administration.changeTier(id, "ENTERPRISE");
    const to = move?.to.kind === "SILO" ? move.to.database : "";
    // A control plane that damages the copy when verification is about to begin.
    const damaging = {
      ...world.control,
      directory: world.control.directory,
      moves: {
        begin: world.control.moves.begin.bind(world.control.moves), find: world.control.moves.find.bind(world.control.moves), latestOf: world.control.moves.latestOf.bind(world.control.moves),
        lease: world.control.moves.lease.bind(world.control.moves), release: world.control.moves.release.bind(world.control.moves),
        recordUnless: world.control.moves.recordUnless.bind(world.control.moves), request: world.control.moves.request.bind(world.control.moves),
        record: async (...[moveId, owner, change, forMs]: Parameters<typeof world.control.moves.record>) => {
          if (change.phase === "VERIFYING") await deployment.client.db(to).collection("documents").updateOne({}, { $set: { title: "damaged" } });
          return world.control.moves.record(moveId, owner, change, forMs);
        },
      },
    };
    await world.mover(damaging).drive(move?.id);
    expect(await world.control.moves.find(move?.id ?? ("" as never))).toMatchObject({ phase: "FAILED", failure: expect.stringContaining("documents (1, such as _id") });
    expect((await world.context(id)).record.placement).toMatchObject({ kind: "SETTLED", home: { kind: "POOL" }, epoch: 2 });
    await world.write(id, "after");
    expect(await world.titles(id)).toEqual(["after", "one", "two"]);
    expect(await world.orphans(id)).toEqual([]);
  });

  test("to a silo that cannot be reached is undone, and the tenant is never read from elsewhere once it lives there", async () => {
    const id = await tenant();
    await moveTo(world, id, "ENTERPRISE");
    const { placement } = (await world.context(id)).record;
    const silo = placement.kind === "SETTLED" && placement.home.kind === "SILO" ? placement.home.database : "";
    const cutOff = await World.start(deployment, { prefix: world.prefix, serverId: "server-2", unreachable: new Set([`SILO ${silo}`]) });
    await expect(cutOff.titles(id)).rejects.toThrow("connection refused");
    await expect(cutOff.write(id, "astray", 500)).rejects.toThrow("connection refused");
    expect(cutOff.opened).not.toContain("POOL");
    await cutOff.close();
  });
});

describe("a mover that was paused", () => {
  test("cannot touch a database once its tenant lives there", async () => {
    const id = await tenant();
    const pool = await world.homes.lease("POOL");
    await expect(claim(pool.value.database, parseTenantId(id), "zombie")).rejects.toMatchObject({ code: "CONFLICT" });
    pool.release();
  });

  test("cannot write under a token that a later run has replaced", async () => {
    const id = await tenant();
    await moveTo(world, id, "ENTERPRISE");
    const pool = await world.homes.lease("POOL");
    await claim(pool.value.database, parseTenantId(id), "first");
    await claim(pool.value.database, parseTenantId(id), "second");
    let ran = false;
    await expect(asMover(pool.value.database, parseTenantId(id), "first", async () => void (ran = true))).rejects.toMatchObject({ code: "CONFLICT" });
    expect(ran).toBe(false);
    pool.release();
  });
});

describe("a server killed in the middle of a move", () => {
  // The first run tells how many writes to the control plane a move makes: each is a place to die at.
  // Every eighth of them here, from a place that is drawn; all of them with PROOF_MOVE_DEATHS=all, and killed processes in the proof.
  test("at any of its control writes, before or after it took effect, loses nothing: another server completes the move", async () => {
    const probe = await tenant();
    const { move: probed } = await world.administration.changeTier(probe, "ENTERPRISE");
    const counting = dyingAt(world.control, Number.POSITIVE_INFINITY, "BEFORE");
    await world.mover(counting.control).drive(probed?.id);
    expect(counting.writes()).toBeGreaterThan(10);
    for (let at = 1 + Math.floor(Math.random() * deathStride); at <= counting.writes(); at += deathStride) {
      for (const when of ["BEFORE", "AFTER"] as const) {
        const id = await tenant();
        const { move } = await world.administration.changeTier(id, "ENTERPRISE");
        const dying = dyingAt(world.control, at, when);
        await world.mover(dying.control).drive(move?.id);
        expect(dying.isDead(), `dies at write ${at} ${when}`).toBe(true);
        // Reads never fail and see all of the tenant, wherever it is.
        expect(await world.titles(id), `reads after write ${at} ${when}`).toEqual(["one", "two"]);
        await world.expireLeases();
        await world.mover().drive(move?.id);
        expect(await world.titles(id)).toEqual(["one", "two"]);
        expect((await world.context(id)).record.placement).toMatchObject({ kind: "SETTLED", home: { kind: "SILO" } });
        await world.write(id, "three");
        expect(await world.orphans(id), `orphans after write ${at} ${when}`).toEqual([]);
      }
    }
  }, 120_000);
});

describe("the router", () => {
  test("tells a writer SERVICE_UNAVAILABLE, to be retried, when a move outlasts its deadline", async () => {
    const id = await tenant();
    const pool = await world.homes.lease("POOL");
    const context = await world.context(id);
    await closeFence(pool.value.database, context.tenantId, context.epoch);
    pool.release();
    const deadline = Deadline.after(300);
    await expect(world.router.write(context, deadline, (store) => store.documents.add(newDocument(), policies.PRO))).rejects.toMatchObject({ code: "SERVICE_UNAVAILABLE", details: { retryable: true } });
    deadline.dispose();
  });

  test("gives a suspended tenant's running request nothing more", async () => {
    const id = await tenant();
    const context = await world.context(id);
    await world.administration.suspend(id);
    const deadline = Deadline.after(1_000);
    await expect(world.router.read(context, deadline, (store) => store.documents.totals())).rejects.toMatchObject({ code: "TENANT_SUSPENDED" });
    deadline.dispose();
  });
});
