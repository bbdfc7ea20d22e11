/**
 * Ten times what the models can answer, for a minute (`--seconds N`): what is still answered, what a
 * refusal costs, whether the server stays level, and how soon it is itself again. Server, model and
 * clients in a process each, everything on, a line in the log for each request.
 */
import { fork, type ChildProcess } from "node:child_process";
import { closeSync, createReadStream, mkdtempSync, openSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { internal } from "../../src/kernel/errors.js";
import { median, quantile, type Bench } from "./bench-result.js";
import { compileScript } from "./compile-script.js";
import { ask, hear } from "./hear.js";
import type { ClosedAnswer, LoadQuestion, OverloadAnswer, OverloadRole, WatchAnswer } from "./overload-messages.js";

/** 80 answers a second, so that ten times that is what two cores can send and refuse. */
const slots = 8;
const modelMs = 100;
const times = 10;
/** Their lines of 64 hold three seconds' work together: what is in line when the flood ends is promised, and is answered first. */
const tenants = ["acme", "globex", "initech", "umbrella"];
const [warmUpMs, capacityMs, aloneMs, afterMs] = [5_000, 10_000, 4_000, 12_000];
/** Three of each tenant: in a window of this many the median is believed. */
const window = 12;
const normalFactor = 1.5;
/** Fewer arrivals than this share of what was to come, and the clients were the bound. */
const reachedShare = 0.95;

export const bench: Bench = async (args, progress) => {
  const { values } = parseArgs({ args: [...args], options: { seconds: { type: "string", default: "60" } } });
  const seconds = Number(values.seconds);
  if (!(seconds >= 3)) throw internal(`--seconds: got ${values.seconds}, expected a number of at least 3`);
  const folder = mkdtempSync(join(tmpdir(), "bulkhead-overload-"));
  const logFile = join(folder, "log");
  const log = openSync(logFile, "a");
  const built = [compileScript("scripts/bench/overload-server.ts"), compileScript("scripts/bench/overload-load.ts")] as const;
  const children: ChildProcess[] = [];
  const started = <Ready>(script: string, given: readonly string[], stderr: number | "inherit"): { child: ChildProcess; ready: Promise<Ready> } => {
    const child = fork(script, given, { env: { ...process.env, NODE_ENV: "development" }, stdio: ["ignore", "ignore", stderr, "ipc"] });
    children.push(child);
    return { child, ready: hear<Ready>(child, given[0] ?? "load") };
  };
  const serverScript = join(built[0], "scripts/bench/overload-server.js");
  let dataDir: string | undefined;
  try {
    const model = await started<{ url: string }>(serverScript, ["model" satisfies OverloadRole, String(modelMs)], "inherit").ready;
    const server = started<{ url: string; dataDir: string; tokens: Record<string, string> }>(serverScript, ["bulkhead" satisfies OverloadRole, model.url, String(slots), tenants.join(",")], log);
    const { url, tokens, ...app } = await server.ready;
    ({ dataDir } = app);
    const targets = Object.values(tokens).map((token) => ({ url, token }));
    const load = started(join(built[1], "scripts/bench/overload-load.js"), [], "inherit");
    await load.ready;
    const tell = <Answer>(question: LoadQuestion): Promise<Answer> => ask<Answer>(load.child, "load", question);

    await tell<ClosedAnswer>({ do: "closed", targets, connections: 4 * slots, ms: warmUpMs });
    const capacity = (await tell<ClosedAnswer>({ do: "closed", targets, connections: 4 * slots, ms: capacityMs })).perSecond;
    const alone = (await tell<ClosedAnswer>({ do: "closed", targets, connections: tenants.length, ms: aloneMs })).p50Ms;
    progress(`${capacity.toFixed(1)} answers a second with all slots full, ${alone.toFixed(0)} ms an answer with few; now ${times} times that for ${seconds} s`);
    const [seen, flood] = await Promise.all([
      ask<WatchAnswer>(server.child, "bulkhead", { ms: seconds * 1_000 }),
      tell<OverloadAnswer>({ do: "overload", targets, perSecond: times * capacity, ms: seconds * 1_000, afterMs }),
    ]);
    const refused = await readRefusals(logFile);
    const normal = normalAfter(flood, alone);
    const arrived = flood.sent / (times * capacity * seconds);
    if (arrived < reachedShare) progress(`Only ${(100 * arrived).toFixed(0)} % of the arrivals were sent: the clients, or the processor they share, were the bound, and the overload was ${(times * arrived).toFixed(1)} times capacity`);
    if (flood.failed > 0) progress(`${flood.failed} failed, the first with ${flood.firstFailure}`);
    progress(`${flood.sent} sent, ${flood.answered} answered, ${flood.refused} refused; mean of a refusal by stage: ${refused.stages}`);
    progress(`Memory in MB: ${seen.rss.filter((_, second) => second % 5 === 4).map((bytes) => Math.round(bytes / 2 ** 20)).join(" ")}`);
    const ratios = {
      "arrivals to capacity": times * arrived,
      "goodput to capacity": flood.answered / seconds / capacity,
      "refusal p99 ms": quantile(refused.ms, 0.99),
      "memory at the end to a third in": memoryRatio(seen.rss),
      "event-loop lag p99 ms": seen.lagP99Ms,
      "seconds to normal": normal / 1_000,
      "failed requests": flood.failed,
    };
    return {
      results: [
        own("capacity", "1/s", capacity),
        own("arrivals sent", "1/s", flood.sent / seconds),
        own("answers under overload", "1/s", flood.answered / seconds),
        own("refusal p50, by the server's log", "ms", median(refused.ms)),
        own("refusal p50, as clients see it", "ms", flood.refusedP50Ms),
        own("refusal p99, as clients see it", "ms", flood.refusedP99Ms),
        own("event-loop lag at most", "ms", seen.lagMaxMs),
        own("memory at the end", "MB", (seen.rss.at(-1) ?? Number.NaN) / 2 ** 20),
        own("processor under overload", "cores", seen.cpuShare),
        own("answer p50 before", "ms", alone),
      ],
      ratios,
      goals: {
        "arrivals to capacity": { op: ">=", value: times * reachedShare },
        "goodput to capacity": { op: ">=", value: 0.9 },
        "refusal p99 ms": { op: "<=", value: 10 },
        "memory at the end to a third in": { op: "<=", value: 1.1 },
        "event-loop lag p99 ms": { op: "<=", value: 100 },
        "seconds to normal": { op: "<=", value: 5 },
        "failed requests": { op: "<=", value: 0 },
      },
    };
  } finally {
    for (const child of children) child.kill();
    closeSync(log);
    for (const path of [...built, folder, ...(dataDir === undefined ? [] : [dataDir])]) rmSync(path, { recursive: true, force: true });
  }
};

function own(metric: string, unit: string, value: number): { system: string; metric: string; unit: string; value: number } {
  return { system: "bulkhead", metric, unit, value };
}

/** From the server's lines: from the head of a request read to its answer handed over, and where that time went. */
async function readRefusals(logFile: string): Promise<{ readonly ms: readonly number[]; readonly stages: string }> {
  const ms: number[] = [];
  const sums = new Map<string, number>();
  for await (const line of createInterface({ input: createReadStream(logFile) })) {
    if (!line.includes('"OVERLOADED"')) continue;
    const told = JSON.parse(line) as { msg: string; ms: number; stages: Record<string, number> };
    if (told.msg !== "request") continue;
    ms.push(told.ms);
    for (const [name, took] of Object.entries(told.stages)) sums.set(name, (sums.get(name) ?? 0) + took);
  }
  return { ms, stages: [...sums].map(([name, sum]) => `${name} ${(sum / ms.length).toFixed(2)} ms`).join(", ") };
}

/**
 * Milliseconds from the end of the flood to the first answer that is as before and begins a window that is; all
 * the time there was, when none is. Asked one after another, few are slow: a window that began with them would hide them.
 */
function normalAfter({ after }: OverloadAnswer, alone: number): number {
  const inOrder = after.toSorted((a, b) => a.beganMs - b.beganMs);
  const isNormal = (tookMs: readonly number[]): boolean => median(tookMs) <= normalFactor * alone;
  const at = inOrder.findIndex(({ tookMs }, from) => from + window <= inOrder.length && isNormal([tookMs]) && isNormal(inOrder.slice(from, from + window).map((each) => each.tookMs)));
  return inOrder[at]?.beganMs ?? afterMs;
}

/** Medians over a twelfth of the time: one collection of garbage is not a leak, nor the end of one. */
function memoryRatio(rss: readonly number[]): number {
  const some = Math.max(1, Math.round(rss.length / 12));
  const third = Math.round(rss.length / 3);
  return median(rss.slice(-some)) / median(rss.slice(third - Math.ceil(some / 2), third + Math.ceil(some / 2)));
}
