import { expect, it } from "vitest";
import { openMemoryCounterStore } from "../../src/quotas/memory-counter-store.js";
import { SlidingWindow } from "../../src/quotas/sliding-window.js";
import { describeCounterStore } from "./counter-store-contract.js";

describeCounterStore("memory", async () => {
  const store = openMemoryCounterStore();
  return { one: store, other: store, close: () => store.close() };
});

it("admits in memory in some microseconds", async () => {
  const window = new SlidingWindow(openMemoryCounterStore());
  const times = 20_000;
  await window.take("warm", 1, times * 2);
  // Processor time, since other suites run on the same cores.
  const before = process.cpuUsage();
  for (let i = 0; i < times; i += 1) await window.take("tenant", 1, times);
  const { user, system } = process.cpuUsage(before);
  process.stdout.write(`Admission in memory: ${((user + system) / times).toFixed(1)} µs of processor time\n`);
  expect((user + system) / times).toBeLessThan(30);
});
