import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Deadline } from "../../src/kernel/deadline.js";
import { parseTenantId, type TenantId } from "../../src/kernel/ids.js";
import { BatchTurns } from "../../src/metering/batch-turns.js";
import { FairQueue } from "../../src/metering/fair-queue.js";
import type { MoveTools } from "../../src/provisioning/move-run.js";
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

/** More rows than are compared without a turn. */
async function talk(id: string): Promise<void> {
  const context = await world.context(id);
  const deadline = Deadline.after(30_000);
  const { id: conversation } = await world.router.write(context, deadline, (store) => store.conversationsOf(context.userId).start("talk"));
  const append = (n: number): Promise<unknown> => world.router.write(context, deadline, (store) => store.conversationsOf(context.userId).append(conversation, { question: `question ${n}`, answer: "yes" }));
  await Promise.all(Array.from({ length: 120 }, (_, n) => append(n)));
  deadline.dispose();
}

/** Moves a tenant with documents into a silo. Writes come after the copy, after the comparison, and within the pause's reach. */
async function moveUnderWrites(id: string, turns: NonNullable<MoveTools["turns"]>, onPoint: (point: string) => void = () => {}): Promise<void> {
  await world.administration.create({ id, name: id, tier: "PRO" });
  for (let n = 0; n < 4; n += 1) await world.write(id, `before ${n}`);
  await talk(id);
  const { move } = await world.administration.changeTier(parseTenantId(id), "ENTERPRISE");
  const written = new Set<string>();
  const at = async (point: string): Promise<void> => {
    onPoint(point);
    if (!["FOLLOWING begins", "VERIFYING ends", "SWITCHING committed"].includes(point) || written.has(point)) return;
    written.add(point);
    await world.write(id, point);
  };
  await world.mover(world.control, { turns, at }).drive(move?.id);
  const moved = await world.control.moves.latestOf(parseTenantId(id));
  expect({ phase: moved?.phase, failure: moved?.failure }).toEqual({ phase: "DONE", failure: undefined });
  expect(await world.titles(id)).toEqual([...written, "before 0", "before 1", "before 2", "before 3"].toSorted());
}

describe("a placement move", () => {
  test("takes turns for what it copies, follows and compares, and none while it switches", async () => {
    const turnsOf = new Map<string, number>();
    let phase = "";
    const turns = {
      run: async <T>(_tenant: TenantId, _signal: AbortSignal, batch: () => Promise<T>): Promise<T> => {
        turnsOf.set(phase, (turnsOf.get(phase) ?? 0) + 1);
        return batch();
      },
    };
    await moveUnderWrites("aspen", turns, (point) => void (phase = point.split(" ")[0] ?? ""));
    expect(turnsOf.get("COPYING")).toBeGreaterThan(0);
    expect(turnsOf.get("FOLLOWING")).toBeGreaterThan(0);
    // Nothing is written while it compares, so these are the comparison's.
    expect(turnsOf.get("VERIFYING")).toBeGreaterThan(0);
    // Rows were written at its end and followed within the switch.
    expect(turnsOf.get("SWITCHING")).toBeUndefined();
  }, 60_000);

  test("gets on while questions hold every slot for ever", async () => {
    const queue = new FairQueue({ slots: 2 });
    const never = new AbortController().signal;
    for (let i = 0; i < 4; i += 1) void queue.acquire({ tenantId: parseTenantId("busy"), weight: 1, tokens: 1, workClass: "INTERACTIVE" }, never);
    await moveUnderWrites("birch", new BatchTurns(queue, 20));
    expect([queue.running, queue.waiting]).toEqual([2, 2]);
  }, 60_000);
});
