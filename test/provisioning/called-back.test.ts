/** What an operator may do to a tenant around a move: call it back, change the tier again, choose a cluster. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { badUserInput } from "../../src/kernel/errors.js";
import { parseTenantId, type MoveId } from "../../src/kernel/ids.js";
import { PlacementMoves } from "../../src/provisioning/placement-moves.js";
import { TenantAdministration } from "../../src/provisioning/tenant-administration.js";
import type { PlacementMoveRow } from "../../src/storage/control/control-plane.js";
import { startTestDeployment, type TestDeployment } from "../support/engine.js";
import { policies } from "../support/tenants.js";
import { World } from "./world.js";

let deployment: TestDeployment;
let world: World;
let moves: PlacementMoves;
beforeAll(async () => {
  deployment = await startTestDeployment();
  world = await World.start(deployment);
  moves = new PlacementMoves({ control: world.control, directory: world.directory, onMoveRequested: () => {} });
});
afterAll(async () => {
  await world.close();
  await deployment.close();
});

async function upgraded(id: string): Promise<MoveId> {
  await world.administration.create({ id, name: id, tier: "PRO" });
  await world.write(id, "Handbook");
  const { move } = await world.administration.changeTier(id, "ENTERPRISE");
  if (move === undefined) throw new Error("No move was begun");
  return move.id;
}

/** The server that drives the move stops when it begins to observe, and its lease passes. */
async function observed(id: string): Promise<MoveId> {
  const move = await upgraded(id);
  await world.mover(world.control, { at: (point) => (point === "OBSERVING before" ? Promise.reject(new Error("killed")) : Promise.resolve()) }).drive(move);
  await world.expireLeases();
  expect((await world.control.moves.find(move))?.phase).toBe("OBSERVING");
  return move;
}

async function driven(move: MoveId): Promise<PlacementMoveRow | undefined> {
  await world.expireLeases();
  await world.mover().drive(move);
  return world.control.moves.find(move);
}

const tenant = (id: string) => world.control.directory.find(parseTenantId(id));

describe("a move that an operator calls back", () => {
  test("before the switch ends CANCELLED; the tenant stays, through restarts too, until its tier is changed, the same tier included", async () => {
    const move = await upgraded("ash");
    expect(await moves.cancel(move)).toMatchObject({ cancelRequested: true });
    expect(await moves.cancel(move)).toMatchObject({ cancelRequested: true });
    expect(await driven(move)).toMatchObject({ phase: "CANCELLED" });
    expect(await tenant("ash")).toMatchObject({ tier: "ENTERPRISE", placement: { home: { kind: "POOL" } }, placementOverride: "POOL", overrideEndsWithTier: true });
    await world.administration.sendHome("ash");
    expect((await world.administration.latestMove(parseTenantId("ash")))?.id).toBe(move);
    const again = await world.administration.changeTier("ash", "ENTERPRISE");
    expect(await driven(again.move?.id as MoveId)).toMatchObject({ phase: "DONE" });
    expect((await tenant("ash"))?.placementOverride).toBeUndefined();
    expect(await world.titles("ash")).toEqual(["Handbook"]);
  });

  test("while it is observed ends REVERTED with what was written in the silo, and the tenant stays in the same way", async () => {
    const move = await observed("beech");
    await world.write("beech", "Written in the silo");
    await moves.revert(move);
    expect(await driven(move)).toMatchObject({ phase: "REVERTED" });
    expect(await world.titles("beech")).toEqual(["Handbook", "Written in the silo"]);
    expect(await tenant("beech")).toMatchObject({ tier: "ENTERPRISE", placement: { home: { kind: "POOL" } }, placementOverride: "POOL" });
    await world.administration.sendHome("beech");
    expect((await world.administration.latestMove(parseTenantId("beech")))?.id).toBe(move);
    // A tier that is at home where the tenant is asks for no move, and the operator's word has ended with it.
    expect((await world.administration.changeTier("beech", "PRO")).move).toBeUndefined();
    expect((await tenant("beech"))?.placementOverride).toBeUndefined();
  });

  test("too early, too late, or when there is none is told what can be done instead", async () => {
    const early = await upgraded("cedar");
    await expect(moves.revert(early)).rejects.toMatchObject({ code: "CONFLICT", message: expect.stringContaining("before the switch it can be cancelled") });
    await driven(early);
    await expect(moves.cancel(early)).rejects.toMatchObject({ code: "CONFLICT", message: expect.stringContaining("change the tier") });
    const late = await observed("dogwood");
    await expect(moves.cancel(late)).rejects.toMatchObject({ code: "CONFLICT", message: expect.stringContaining("can be reverted") });
    await expect(moves.cancel("mov_00000000000000000000")).rejects.toMatchObject({ code: "NOT_FOUND" });
    await expect(moves.cancel({ $ne: null })).rejects.toMatchObject({ code: "NOT_FOUND" });
    expect((await tenant("dogwood"))?.placementOverride).toBeUndefined();
  });
});

describe("a tier that is changed while a move is observed", () => {
  test("calls the move back where the tier is at home in the old place, and needs no word against the tier", async () => {
    const move = await observed("elm");
    expect(await world.administration.changeTier("elm", "FREE")).toMatchObject({ tenant: { tier: "FREE" }, move: { id: move, revertRequested: true } });
    expect(await driven(move)).toMatchObject({ phase: "REVERTED" });
    expect(await tenant("elm")).toMatchObject({ tier: "FREE", placement: { home: { kind: "POOL" } } });
    expect((await tenant("elm"))?.placementOverride).toBeUndefined();
  });

  test("is only changed where the tier is at home in the new place; in every other phase it is CONFLICT", async () => {
    const move = await observed("fir");
    expect(await world.administration.changeTier("fir", "ENTERPRISE")).toMatchObject({ tenant: { tier: "ENTERPRISE" } });
    expect(await world.control.moves.find(move)).toMatchObject({ phase: "OBSERVING", revertRequested: false });
    const early = await upgraded("gum");
    await expect(world.administration.changeTier("gum", "FREE")).rejects.toMatchObject({ code: "CONFLICT", message: expect.stringContaining(`${early} of gum is under way (PREPARING)`) });
    expect((await tenant("gum"))?.tier).toBe("ENTERPRISE");
  });
});

const onClusters = (): TenantAdministration =>
  new TenantAdministration({
    control: world.control, directory: world.directory, homes: world.homes, policies, onMoveBegun: () => {}, onReactivated: () => {},
    silos: {
      ...world.silos,
      place: async (id, epoch, cluster) => {
        if (cluster !== undefined && cluster !== "west") throw badUserInput("cluster", cluster, "west");
        return { ...(await world.silos.place(id, epoch)), ...(cluster === undefined ? {} : { cluster }) };
      },
    },
  });

describe("a cluster that is chosen", () => {
  test("is where the silo goes, at creation and at an upgrade", async () => {
    const administration = onClusters();
    await administration.create({ id: "hazel", name: "Hazel", tier: "ENTERPRISE", cluster: "west" });
    expect((await administration.latestMove(parseTenantId("hazel")))?.to).toMatchObject({ kind: "SILO", cluster: "west" });
    await administration.create({ id: "iroko", name: "Iroko", tier: "PRO" });
    expect((await administration.changeTier("iroko", "ENTERPRISE", "west")).move?.to).toMatchObject({ kind: "SILO", cluster: "west" });
  });

  test("leaves nothing behind when it is unknown, and is refused for a tenant at home in the pool", async () => {
    const administration = onClusters();
    await expect(administration.create({ id: "juniper", name: "Juniper", tier: "ENTERPRISE", cluster: "east" })).rejects.toMatchObject({ code: "BAD_USER_INPUT" });
    expect(await tenant("juniper")).toBeUndefined();
    await expect(administration.create({ id: "juniper", name: "Juniper", tier: "PRO", cluster: "west" })).rejects.toMatchObject({ code: "BAD_USER_INPUT" });
    await administration.create({ id: "kapok", name: "Kapok", tier: "PRO" });
    await expect(administration.changeTier("kapok", "ENTERPRISE", "east")).rejects.toMatchObject({ code: "BAD_USER_INPUT" });
    expect(await tenant("kapok")).toMatchObject({ tier: "PRO" });
  });
});
