/**
 * The clients of `overload.bench.ts`, in a process of their own: arrivals that do not wait for answers,
 * as those of many people do not. A closed loop would slow down with the server and hide its overload.
 */
import { Agent } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { internal } from "../../src/kernel/errors.js";
import { quantile } from "./bench-result.js";
import type { ClosedAnswer, LoadQuestion, OverloadAnswer } from "./overload-messages.js";
import { post, type Target } from "./post-load.js";

const body = JSON.stringify({ query: "mutation ($q: String!) { ask(input: { question: $q }) { __typename ... on Answer { text } ... on Refusal { code } } }", variables: { q: "How long is the notice period?" } });

/** More than the lines of all tenants hold, by what is refused meanwhile. Kept open, so that no connection is made under load. */
const socketsMax = 1_000;
/** Timers are no finer. What is due meanwhile goes out together. */
const tickMs = 2;
/** The slots fill in this time; a loop that is not full yet measures no capacity. */
const fillMs = 500;

type Outcome = "ANSWERED" | "REFUSED" | "FAILED";

process.on("disconnect", () => process.exit());
process.on("message", (question: LoadQuestion) => void answer(question).then((told) => process.send?.(told)));
process.send?.("ready");

function answer(question: LoadQuestion): Promise<ClosedAnswer | OverloadAnswer> {
  return question.do === "closed" ? closed(question) : overload(question);
}

/** Each connection asks its next when its last was answered. Throws, and so ends the process, for anything but an answer. */
async function closed({ targets, connections, ms }: LoadQuestion & { do: "closed" }): Promise<ClosedAnswer> {
  const agent = new Agent({ keepAlive: true, maxSockets: connections });
  const tookMs: number[] = [];
  const startedAt = performance.now();
  await Promise.all(Array.from({ length: connections }, (_, at) => askOn(targets[at % targets.length] as Target, agent, startedAt + ms, (beganAt, took) => {
    const endedAt = beganAt + took;
    if (endedAt >= startedAt + fillMs && endedAt <= startedAt + ms) tookMs.push(took);
  })));
  agent.destroy();
  return { perSecond: tookMs.length / ((ms - fillMs) / 1_000), p50Ms: quantile(tookMs, 0.5) };
}

/** Arrivals at random times, each of a random tenant. What comes after their end is asked by the same tenants. */
async function overload({ targets, perSecond, ms, afterMs }: LoadQuestion & { do: "overload" }): Promise<OverloadAnswer> {
  // The longest idle first: one that the server is about to close for idleness would be reset under the request.
  const agent = new Agent({ keepAlive: true, maxSockets: socketsMax, scheduling: "fifo" });
  const refusedMs: number[] = [];
  const counts = { due: 0, sent: 0, answered: 0, failed: 0 };
  let [running, nextAt, firstFailure] = [0, performance.now(), undefined as string | undefined];
  const endsAt = nextAt + ms;
  const send = async (): Promise<void> => {
    const beganAt = performance.now();
    running += 1;
    const { outcome, got } = await ask(targets[Math.floor(Math.random() * targets.length)] as Target, agent);
    running -= 1;
    const endedAt = performance.now();
    if (outcome === "REFUSED") refusedMs.push(endedAt - beganAt);
    else if (outcome === "FAILED") [counts.failed, firstFailure] = [counts.failed + 1, firstFailure ?? got];
    else if (endedAt <= endsAt) counts.answered += 1;
  };
  const sent: Promise<void>[] = [];
  while (performance.now() < endsAt) {
    for (; nextAt <= performance.now() && nextAt < endsAt; nextAt += (-Math.log(1 - Math.random()) / perSecond) * 1_000) {
      counts.due += 1;
      if (running >= socketsMax) continue;
      counts.sent += 1;
      sent.push(send());
    }
    await sleep(tickMs);
  }
  const after: { beganMs: number; tookMs: number }[] = [];
  const stoppedAt = performance.now();
  // On connections of their own: with the flood's, the wait for one would be the client's.
  const others = new Agent({ keepAlive: true });
  await Promise.all([
    ...sent,
    ...targets.map((target) => askOn(target, others, stoppedAt + afterMs, (beganAt, tookMs) => after.push({ beganMs: beganAt - stoppedAt, tookMs }), true)),
  ]);
  for (const used of [agent, others]) used.destroy();
  return { ...counts, refused: refusedMs.length, ...(firstFailure === undefined ? {} : { firstFailure }), refusedP50Ms: quantile(refusedMs, 0.5), refusedP99Ms: quantile(refusedMs, 0.99), after };
}

/** One question after another. Refusals, where they may come, are asked again after a while. */
async function askOn(target: Target, agent: Agent, untilAt: number, onAnswer: (beganAt: number, tookMs: number) => void, mayBeRefused = false): Promise<void> {
  for (let beganAt = performance.now(); beganAt < untilAt; beganAt = performance.now()) {
    const { outcome, got } = await ask(target, agent);
    if (outcome === "ANSWERED") onAnswer(beganAt, performance.now() - beganAt);
    else if (mayBeRefused && outcome === "REFUSED") await sleep(50);
    else throw internal(`Got ${got}, expected an answer`);
  }
}

async function ask(target: Target, agent: Agent): Promise<{ readonly outcome: Outcome; readonly got: string }> {
  try {
    const { status, text } = await post(target, body, agent);
    const outcome = status !== 200 || text.includes('"errors"') ? "FAILED" : text.includes('"Answer"') && text.includes("six weeks") ? "ANSWERED" : text.includes('"OVERLOADED"') ? "REFUSED" : "FAILED";
    return { outcome, got: `${status} ${text.slice(0, 300)}` };
  } catch (error) {
    return { outcome: "FAILED", got: String(error) };
  }
}
