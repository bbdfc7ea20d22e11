/** The measured part of `fairness.bench.ts`, compiled as `npm start` runs it. */
import Bottleneck from "bottleneck";
import PQueue from "p-queue";
import { internal } from "../../src/kernel/errors.js";
import { parseTenantId, type TenantId } from "../../src/kernel/ids.js";
import { isRefusal } from "../../src/kernel/refusal.js";
import { FairQueue, type Turn } from "../../src/metering/fair-queue.js";
import type { CostAnswer, FairnessQuestion, PositionAnswer, QueueSystem } from "./fairness-messages.js";

type Run = (tenantId: TenantId, job: () => Promise<void>) => Promise<unknown>;

const jobTokens = 500;
const usedTokens = 300;
const flood = 1_000;
const unbounded = { waitingPerTenantMax: 1_000_000, waitingMax: 1_000_000 };

process.on("disconnect", () => process.exit());
process.on("message", (question: FairnessQuestion) => void answer(question).then((told) => process.send?.(told)));
process.send?.("ready");

function answer(question: FairnessQuestion): Promise<PositionAnswer | CostAnswer> {
  if (question.do === "position") return position(opens(question.system, question.slots), question.slots);
  return question.system === "bulkhead" ? ownCost(question.jobs, question.tenants) : peersCost(opens(question.system, 1), question.jobs);
}

/** As each is used: one queue for all tenants, so many jobs at once. */
function opens(system: QueueSystem, slots: number): Run {
  if (system === "p-queue") {
    const queue = new PQueue({ concurrency: slots });
    return (_tenantId, job) => queue.add(job);
  }
  if (system === "bottleneck") {
    const limiter = new Bottleneck({ maxConcurrent: slots });
    return (_tenantId, job) => limiter.schedule(job);
  }
  const queue = new FairQueue({ slots, ...unbounded });
  return async (tenantId, job) => {
    const turn = await acquire(queue, tenantId, new AbortController().signal);
    await job();
    turn.release(usedTokens);
  };
}

async function position(run: Run, slots: number): Promise<PositionAnswer> {
  const [a, b] = [parseTenantId("tenant-a"), parseTenantId("tenant-b")];
  const served: TenantId[] = [];
  const job = (tenantId: TenantId) => async (): Promise<void> => {
    served.push(tenantId);
    await new Promise((resolve) => setTimeout(resolve, 1));
  };
  const jobs = Array.from({ length: flood }, () => run(a, job(a)));
  // Its jobs are in the line, and the first of them run.
  while (served.length < slots) await new Promise((resolve) => setImmediate(resolve));
  await Promise.all([...jobs, run(b, job(b))]);
  return { position: served.indexOf(b) + 1 };
}

/** As many tenants wait all the time: whoever was served joins the line again. */
async function ownCost(jobs: number, tenants: number): Promise<CostAnswer> {
  const queue = new FairQueue({ slots: 1, ...unbounded });
  const given: { turn: Turn; tenant: number }[] = [];
  const names = Array.from({ length: tenants }, (_, at) => parseTenantId(`tenant-${at}`));
  // Each call has a request's own signal.
  const signals = names.map(() => new AbortController().signal);
  const join = (tenant: number): void => void acquire(queue, names[tenant] as TenantId, signals[tenant] as AbortSignal).then((turn) => given.push({ turn, tenant }));
  for (let tenant = 0; tenant < tenants; tenant += 1) join(tenant);
  const [cpuBefore, startedAt] = [cpuMicros(), performance.now()];
  let decidingMs = 0;
  for (let job = 0; job < jobs; job += 1) {
    let next = given.pop();
    for (; next === undefined; next = given.pop()) await Promise.resolve();
    const { turn, tenant } = next;
    join(tenant);
    const before = performance.now();
    turn.release(usedTokens);
    decidingMs += performance.now() - before;
  }
  const cpu = cpuMicros() - cpuBefore;
  const share = (decidingMs - jobs * clockMs()) / (performance.now() - startedAt);
  return { wholeJob: cpu / jobs, decision: (cpu * share) / jobs };
}

async function peersCost(run: Run, jobs: number): Promise<CostAnswer> {
  const tenantId = parseTenantId("tenant-a");
  const cpuBefore = cpuMicros();
  await Promise.all(Array.from({ length: jobs }, () => run(tenantId, async () => {})));
  return { wholeJob: (cpuMicros() - cpuBefore) / jobs };
}

async function acquire(queue: FairQueue, tenantId: TenantId, signal: AbortSignal): Promise<Turn> {
  const turn = await queue.acquire({ tenantId, weight: 1, tokens: jobTokens, workClass: "INTERACTIVE" }, signal);
  if (isRefusal(turn)) throw internal(`Refused with ${turn.code}: what was measured is no turn`);
  return turn;
}

function cpuMicros(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}

/** What one reading of the clock takes. */
function clockMs(): number {
  const readings = 10_000;
  const before = performance.now();
  for (let reading = 0; reading < readings; reading += 1) performance.now();
  return (performance.now() - before) / readings;
}
