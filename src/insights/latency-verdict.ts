/** From figures to an answer: is it slow, for whom, in which stage, and because of whom. Pure. */
import type { HeldTime } from "../storage/control/timing-rows.js";
import type { TenantFigures } from "./tenant-figures.js";

export type LatencyScope = "NOBODY" | "ONE_TENANT" | "SOME_TENANTS" | "EVERYONE";

export interface TenantWindow {
  readonly tenant: string;
  readonly now: TenantFigures;
  /** The same tenant in the day before. */
  readonly before: TenantFigures;
}

/** A holder's part of all that held tenants up. */
export interface HolderShare {
  readonly tenant?: string;
  readonly work: string;
  /** From 0 to 1. */
  readonly share: number;
  readonly ms: number;
}

export interface LatencyVerdict {
  readonly scope: LatencyScope;
  readonly stage?: string;
  readonly slowTenants: readonly string[];
  readonly because: readonly HolderShare[];
  /** One sentence for a person. */
  readonly summary: string;
}

/** The 95th percentile of fewer is about their slowest alone. */
export const requestsMin = 20;
/** Of a day: fewer say nothing about what is usual. */
export const usualRequestsMin = 50;
/** Two readings of a histogram differ by up to 11 % though nothing has changed, and a day's hours by more; half as much again is felt. */
export const slowRatio = 1.5;
/** Nobody feels less, however many times the usual it is. */
export const slowMsMin = 50;
/** Without a usual: waiting for a turn is no work, so a wait of a quarter of a second that takes a third of all time is slow by itself. */
export const waitMsMin = 250;
export const waitShareMin = 0.3;
/** Slow for nearly all who were judged is slow for everyone: one that asks only the cache does not notice. */
export const everyoneShare = 0.8;
/** Who held less is no reason. */
export const becauseShareMin = 0.05;
const becauseMax = 5;
/** An embedding beside which others ran for less of its time was not slow because of them. */
const besideShareMin = 0.2;

export function judge(windows: readonly TenantWindow[]): LatencyVerdict {
  const judged = windows.filter(({ now }) => now.requests >= requestsMin);
  const slow = judged.filter(isSlow);
  if (slow.length === 0) return { scope: "NOBODY", slowTenants: [], because: [], summary: quiet(judged) };
  const stage = slowestStage(slow);
  const because = holdersOf(slow, stage);
  const scope = slow.length === 1 ? "ONE_TENANT" : slow.length >= everyoneShare * judged.length ? "EVERYONE" : "SOME_TENANTS";
  const slowTenants = slow.map(({ tenant }) => tenant);
  return { scope, ...(stage === undefined ? {} : { stage }), slowTenants, because, summary: summary(scope, slow, stage, because) };
}

/** Of what a tenant had in a stage: most first. `total` 0: parts of nothing. */
export function shares(held: readonly HeldTime[], stage?: string): readonly HolderShare[] {
  const byHolder = new Map<string, { tenant?: string; work: string; ms: number }>();
  let total = 0;
  for (const part of held) {
    if (stage !== undefined && part.stage !== stage) continue;
    total += part.ms;
    const key = `${part.work} ${part.tenant ?? ""}`;
    const known = byHolder.get(key);
    if (known === undefined) byHolder.set(key, { work: part.work, ms: part.ms, ...(part.tenant === undefined ? {} : { tenant: part.tenant }) });
    else known.ms += part.ms;
  }
  return [...byHolder.values()].toSorted((a, b) => b.ms - a.ms).map((holder) => ({ ...holder, share: total === 0 ? 0 : holder.ms / total }));
}

export function quantileOf({ requests, stages }: TenantFigures, stage: string, q: number): number {
  const figures = stages.get(stage);
  // Requests that did not come to the stage took no time in it.
  return figures === undefined ? 0 : figures.histogram.quantile(q, Math.max(0, requests - figures.histogram.count));
}

export function meanOf({ requests, stages }: TenantFigures, stage: string): number {
  return requests === 0 ? 0 : (stages.get(stage)?.ms ?? 0) / requests;
}

/** Undefined where too little is known. */
export function usualP95(before: TenantFigures): number | undefined {
  return before.requests < usualRequestsMin ? undefined : before.total.histogram.quantile(0.95);
}

function isSlow({ now, before }: TenantWindow): boolean {
  const usual = usualP95(before);
  if (usual === undefined) return waitsLong(now);
  const p95 = now.total.histogram.quantile(0.95);
  return p95 >= slowRatio * usual && p95 - usual >= slowMsMin;
}

function waitsLong(now: TenantFigures): boolean {
  return quantileOf(now, "queue_wait", 0.95) >= waitMsMin && (now.stages.get("queue_wait")?.ms ?? 0) >= waitShareMin * now.total.ms;
}

/** That whose mean has grown most, over all requests of the slow. */
function slowestStage(slow: readonly TenantWindow[]): string | undefined {
  const grown = new Map<string, number>();
  for (const { now, before } of slow) {
    const isUsualKnown = usualP95(before) !== undefined;
    for (const stage of isUsualKnown ? now.stages.keys() : ["queue_wait"]) {
      const ms = now.requests * (meanOf(now, stage) - (isUsualKnown ? meanOf(before, stage) : 0));
      grown.set(stage, (grown.get(stage) ?? 0) + ms);
    }
  }
  return [...grown].toSorted(([, a], [, b]) => b - a)[0]?.[0];
}

function holdersOf(slow: readonly TenantWindow[], stage: string | undefined): readonly HolderShare[] {
  if (stage !== "queue_wait" && stage !== "embed") return [];
  const held = slow.flatMap(({ now }) => now.held.filter((part) => part.stage === stage));
  const ofStage = slow.reduce((total, { now }) => total + (now.stages.get(stage)?.ms ?? 0), 0);
  if (stage === "embed" && held.reduce((total, { ms }) => total + ms, 0) < besideShareMin * ofStage) return [];
  return shares(held).filter(({ share }) => share >= becauseShareMin).slice(0, becauseMax);
}

const percent = (share: number): string => `${Math.round(100 * share)} %`;
const ms = (value: number): string => `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`;

function quiet(judged: readonly TenantWindow[]): string {
  if (judged.length === 0) return `Too few requests to say: no tenant had ${requestsMin} in this time`;
  const p95 = Math.max(...judged.map(({ now }) => now.total.histogram.quantile(0.95)));
  return `Nobody is slow: of ${judged.length === 1 ? "one tenant" : `${judged.length} tenants`} the highest p95 is ${ms(p95)}`;
}

function summary(scope: LatencyScope, slow: readonly TenantWindow[], stage: string | undefined, because: readonly HolderShare[]): string {
  const names = slow.slice(0, 3).map(({ tenant }) => tenant).join(", ");
  const more = slow.length > 3 ? ` and ${slow.length - 3} more` : "";
  const who = scope === "EVERYONE" ? `It is slow for everyone (${slow.length} tenants)` : scope === "ONE_TENANT" ? `Only ${names} is slow` : `${names}${more} are slow`;
  if (stage === undefined) return who;
  const requests = slow.reduce((total, { now }) => total + now.requests, 0);
  const mean = (of: "now" | "before"): number => slow.reduce((total, window) => total + window.now.requests * meanOf(window[of], stage), 0) / requests;
  const before = slow.every((window) => usualP95(window.before) !== undefined) ? `, usually ${ms(mean("before"))}` : "";
  return `${who} in ${stage} (${ms(mean("now"))} a request${before})${reason(slow, stage, because)}`;
}

const reasons: Readonly<Record<string, string>> = {
  first_token: ": the model's back ends begin late",
  stream: ": the model's back ends write slowly, or write more",
  search: ": the store searches slowly",
  history: ": the store reads slowly",
  remember: ": the store writes slowly",
  settle: ": the ledger is written slowly",
  receive: ": requests arrive slowly",
  send: ": answers are taken slowly",
};

function reason(slow: readonly TenantWindow[], stage: string, because: readonly HolderShare[]): string {
  const [first] = because;
  if (first === undefined) return reasons[stage] ?? "";
  if (first.tenant === undefined) {
    const whose = first.work === "ELSEWHERE" ? "other servers had" : first.work === "RATES" ? "the provider's rates took" : "many tenants together held";
    return `: ${whose} ${percent(first.share)} of the slots`;
  }
  const isOwn = slow.length === 1 && slow[0]?.tenant === first.tenant;
  return `: ${isOwn ? "its own" : `${first.tenant}'s`} ${first.work} work held ${percent(first.share)} of the slots`;
}
