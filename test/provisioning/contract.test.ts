/** What every placement owes its callers, while the tenant is moved there and back without pause by another server. */
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { tenantStoreContract } from "../storage/tenant-store.contract.js";
import { MoveServer } from "../support/move-server.js";
import { orphansOf } from "../support/move-traces.js";
import { MovingStore } from "../support/moving-store.js";
import { startGuardedEngine, type GuardedEngine } from "../support/silo-fixture.js";

const tenant = "mover";
/** How long a call waits for the mover to come to its next point: it stands for half a second where it lets servers forget. */
const pointMsMax = 50;

let engine: GuardedEngine;
let observer: MoveServer;
let mover: MoveServer;
const stop = new AbortController();
let moving: Promise<void> | undefined;
const ends: string[] = [];
const passed: string[] = [];

/** Each move is one to a silo that is sealed by a key of its own, or one back. */
async function moveWithoutPause(): Promise<void> {
  while (!stop.signal.aborted) {
    const { move } = await mover.administration.changeTier(tenant, ends.length % 2 === 0 ? "ENTERPRISE" : "PRO");
    await mover.mover({ at: async (point) => void passed.push(point) }).drive(move?.id);
    const ended = move === undefined ? undefined : await mover.control.moves.find(move.id);
    ends.push(`${ended?.phase} ${ended?.failure ?? ""}`.trim());
  }
}

/** Lets the mover go on by a point, so that the suite meets every one of them, however fast either is on this machine. */
async function untilNextPoint(): Promise<void> {
  const before = passed.length;
  for (const end = performance.now() + pointMsMax; passed.length === before && performance.now() < end; ) await sleep(1);
}

beforeAll(async () => {
  engine = await startGuardedEngine({ tcp: true });
  observer = await MoveServer.start(engine.uri, "observer");
  mover = await MoveServer.start(engine.uri, "mover");
});
afterAll(async () => {
  await observer.close();
  await mover.close();
  await engine.close();
});

tenantStoreContract("a tenant that is being moved", async () => {
  await observer.administration.create({ id: tenant, name: tenant, tier: "PRO" });
  moving = moveWithoutPause();
  return new MovingStore(observer.router, await observer.context(tenant), untilNextPoint);
});

test("was run over several moves, each of which came to its end and left nothing behind", async () => {
  stop.abort();
  await moving;
  process.stdout.write(`${ends.length} moves during the suite\n`);
  expect(ends.length).toBeGreaterThanOrEqual(2);
  expect(ends).toEqual(ends.map(() => "DONE"));
  expect(await orphansOf(engine.root, observer, tenant)).toEqual([]);
});
