/** One of the processes of `overload.bench.ts`: our server, which watches itself when asked, or the model that it asks. */
import { monitorEventLoopDelay } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { startBenchApp } from "./bench-app.js";
import type { OverloadRole, WatchAnswer, WatchQuestion } from "./overload-messages.js";
import { startStubModel } from "./stub-model.js";

const [role, given = "", slots = "8", tenants = ""] = process.argv.slice(2) as [OverloadRole, string?, string?, string?];

/** Of the timer whose lateness is told. */
const intervalMs = 10;

const ready = role === "model" ? await startStubModel(Number(given)) : await startBenchApp(given, tenants.split(","), Number(slots), "info");
// Gone with its parent, however that ended: a server left behind would take CPU from the next run.
process.on("disconnect", () => process.exit());
process.on("message", (question: WatchQuestion) => void watch(question).then((seen) => process.send?.(seen)));
process.send?.(ready);

async function watch({ ms }: WatchQuestion): Promise<WatchAnswer> {
  const [startedAt, before, rss] = [performance.now(), process.cpuUsage(), [] as number[]];
  const delay = monitorEventLoopDelay({ resolution: intervalMs });
  delay.enable();
  for (let second = 1; second * 1_000 <= ms; second += 1) {
    await sleep(startedAt + second * 1_000 - performance.now());
    rss.push(process.memoryUsage.rss());
  }
  delay.disable();
  const { user, system } = process.cpuUsage(before);
  // The histogram holds the whole time between two firings.
  const late = (nanoseconds: number): number => Math.max(0, nanoseconds / 1e6 - intervalMs);
  return { rss, lagP99Ms: late(delay.percentile(99)), lagMaxMs: late(delay.max), cpuShare: (user + system) / 1_000 / (performance.now() - startedAt) };
}
