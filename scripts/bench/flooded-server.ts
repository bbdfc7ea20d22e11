import type { ChildProcess } from "node:child_process";
import { fork } from "node:child_process";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { quantile } from "./bench-result.js";
import { compileScript } from "./compile-script.js";
import { hear } from "./hear.js";
import { postLoad, type Target } from "./post-load.js";

/** Long beside what a question costs the server, as a model's is: what is measured is the wait for a turn. */
const modelMs = 1_000;
/**
 * Calls that the model takes at once. Turns are not taken away and no slot is kept empty, so a newcomer
 * waits for the first of the flooder's calls to end: with n slots the 99th percentile of that is
 * 1 - 0.01^(1/n) of a call, 13 % of it with 32 and 44 % with 8, whatever the queue does.
 */
const modelSlots = 32;
/** More than the model's slots, fewer than the places of one tenant's line. */
const floodConnections = 48;
const body = JSON.stringify({ query: "mutation ($q: String!) { ask(input: { question: $q }) { __typename ... on Answer { text } ... on Refusal { code } } }", variables: { q: "How long is the notice period?" } });

const isAnswer = (text: string): boolean => text.includes('"Answer"');

interface Ready extends Target {
  readonly dataDir?: string;
  readonly tokens?: Readonly<Record<string, string>>;
}

/**
 * The p99 of one tenant's questions, one after another, alone and while another tenant keeps the line
 * full: rounds alternate. The whole server in a process of its own, and a model that answers in a second.
 */
export async function measureFlood(rounds: number, questions: number, progress: (line: string) => void): Promise<{ readonly solo: readonly number[]; readonly flooded: readonly number[] }> {
  const built = compileScript("scripts/bench/gateway-server.ts");
  const children: ChildProcess[] = [];
  let dataDir: string | undefined;
  const start = async (system: string, ...given: readonly string[]): Promise<Ready> => {
    const child = fork(join(built, "scripts/bench/gateway-server.js"), [system, ...given], { stdio: ["ignore", "ignore", "inherit", "ipc"] });
    children.push(child);
    return hear<Ready>(child, system);
  };
  try {
    const model = await start("model", String(modelMs));
    const server = await start("bulkhead", model.url, String(modelSlots));
    dataDir = server.dataDir;
    const { acme = "", globex = "" } = server.tokens ?? {};
    const quiet = (): Promise<readonly number[]> => postLoad({ url: server.url, token: acme }, body, 1, questions, isAnswer);
    await postLoad({ url: server.url, token: acme }, body, 16, 64, isAnswer);
    const [solo, flooded]: [number[], number[]] = [[], []];
    for (let round = 1; round <= rounds; round += 1) {
      solo.push(quantile(await quiet(), 0.99));
      let isOver = false;
      const flood = postLoad({ url: server.url, token: globex }, body, floodConnections, Infinity, isAnswer, () => isOver);
      // The line is full by then.
      await new Promise((resolve) => setTimeout(resolve, 3 * modelMs));
      flooded.push(quantile(await quiet(), 0.99));
      isOver = true;
      await flood;
      progress(`round ${round} of ${rounds}: p99 alone ${solo.at(-1)?.toFixed(0)} ms, beside a flood ${flooded.at(-1)?.toFixed(0)} ms`);
    }
    return { solo, flooded };
  } finally {
    for (const child of children) child.kill();
    if (dataDir !== undefined) rmSync(dataDir, { recursive: true, force: true });
    rmSync(built, { recursive: true, force: true });
  }
}
