import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { about100Ms, now, pass, World } from "./servers-world.js";

beforeEach(() => void vi.useFakeTimers({ toFake: ["performance", "setTimeout", "clearTimeout"] }));
afterEach(() => void vi.useRealTimers());

describe("a pool that several servers lease", () => {
  it("gives a quiet tenant its turns beside a flood at another server: back in under a second, then at once", async () => {
    const world = new World({ name: "pool", slots: 8 });
    const [first, second] = [await world.server(), await world.server()];
    first.flood("flooder", 60, about100Ms);
    await pass(5_000);
    // All slots are at work for the one who asks.
    expect(world.running).toBe(8);
    const waits: number[] = [];
    for (let i = 0; i < 10; i += 1) {
      const asked = second.call("quiet", 100).then((waitedMs) => waits.push(waitedMs));
      await pass(1_500);
      await asked;
      expect(second.queue.waiting).toBe(0);
    }
    // Idle for over a second each time: every question has to take its slot back.
    // A beat of the flooded server, the end of a call of about 100 ms, and beats that give and take the slot: of the test's clock.
    expect(Math.max(...waits)).toBeLessThan(350);
    for (let i = 0; i < 10; i += 1) {
      const asked = second.call("quiet", 100).then((waitedMs) => waits.push(waitedMs));
      await pass(700);
      await asked;
    }
    // Asked within a second of the last: the slot is still there.
    expect(waits.slice(-8)).toEqual(Array.from({ length: 8 }, () => 0));
    expect(world.peak).toBeLessThanOrEqual(8);
  });

  it("is shared by weight between floods at different servers, and no slot stays empty for long", async () => {
    const world = new World({ name: "pool", slots: 8 });
    const [first, second] = [await world.server(), await world.server()];
    const since = now();
    first.flood("light", 40, about100Ms, { weight: 1 });
    second.flood("heavy", 40, about100Ms, { weight: 3 });
    await pass(20_000);
    const [light, heavy] = [world.of("light", since), world.of("heavy", since)];
    expect(heavy / light).toBeGreaterThan(2.7);
    expect(heavy / light).toBeLessThan(3.3);
    // 8 slots and 100 ms a call: 1,600 at the very most.
    expect(light + heavy).toBeGreaterThan(1_500);
    expect(world.peak).toBeLessThanOrEqual(8);
  });

  it("shuts no server out when there are fewer slots than servers", async () => {
    const world = new World({ name: "pool", slots: 2 });
    const servers = [await world.server(), await world.server(), await world.server(), await world.server()];
    servers.forEach((server, i) => server.flood(`t${i}`, 10, about100Ms));
    await pass(30_000);
    for (let i = 0; i < 4; i += 1) expect(world.of(`t${i}`)).toBeGreaterThan((world.starts.length / 4) * 0.7);
    // Slots change hands every second, and lie still on the way: four fifths are used at least.
    expect(world.starts.length).toBeGreaterThan(2 * 300 * 0.8);
    expect(world.peak).toBeLessThanOrEqual(2);
  });

  it("has a part for an idle server, so that its first question waits for nothing", async () => {
    const world = new World({ name: "pool", slots: 8 });
    const [, second] = [await world.server(), await world.server()];
    await pass(10_000);
    const asked = second.call("quiet", 10);
    await pass(20);
    expect(await asked).toBe(0);
  });

  it("starts nothing at a server that has not reached the store for two seconds, and goes on when it does", async () => {
    const world = new World({ name: "pool", slots: 8 });
    const server = await world.server();
    server.flood("a", 20, about100Ms);
    await pass(1_000);
    world.isDown = true;
    await pass(2_250);
    const at = now();
    await pass(5_000);
    expect(world.of("a", at)).toBe(0);
    world.isDown = false;
    await pass(300);
    expect(world.running).toBe(8);
  });

  it("is free again for others when a server dies, within its lease, and at once when it leaves", async () => {
    const world = new World({ name: "pool", slots: 8 });
    const [first, second, third] = [await world.server(), await world.server(), await world.server()];
    first.flood("a", 20, about100Ms);
    second.flood("b", 20, about100Ms);
    await pass(2_000);
    await first.crash();
    await pass(3_500);
    expect(second.queue.running).toBe(8);
    await third.share.close();
    await pass(300);
    expect(second.queue.running).toBe(8);
  });
});
