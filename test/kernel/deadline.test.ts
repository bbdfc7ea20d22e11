import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { Deadline } from "../../src/kernel/deadline.js";
import { deadlineExceeded } from "../../src/kernel/errors.js";

const gone = deadlineExceeded(7);

test("whoever listens is told when time is up, early or late", async () => {
  const deadline = Deadline.after(20);
  const early = deadline.signal;
  expect(early.aborted).toBe(false);
  await sleep(60);
  expect(early.reason).toMatchObject({ code: "DEADLINE_EXCEEDED" });
  expect(deadline.signal).toBe(early);
  expect(() => deadline.throwIfOver()).toThrow("20 ms");
});

test("who listens only after time was up finds it over", async () => {
  const deadline = Deadline.after(5);
  await sleep(20);
  expect(deadline.signal.aborted).toBe(true);
  expect(deadline.remainingMs()).toBe(0);
});

test("the first reason stays, told before or after somebody listens", () => {
  for (const listens of [true, false]) {
    const deadline = Deadline.after(10_000);
    if (listens) expect(deadline.signal.aborted).toBe(false);
    deadline.abort(gone);
    deadline.abort(deadlineExceeded(8));
    expect(deadline.signal.reason).toBe(gone);
    expect(() => deadline.throwIfOver()).toThrow(gone);
    deadline.dispose();
  }
});

test("once disposed it ends no more by time", async () => {
  const [heard, unheard] = [Deadline.after(10), Deadline.after(10)];
  const { signal } = heard;
  heard.dispose();
  unheard.dispose();
  await sleep(30);
  expect([signal.aborted, unheard.signal.aborted]).toEqual([false, false]);
  expect(() => unheard.throwIfOver()).not.toThrow();
});
