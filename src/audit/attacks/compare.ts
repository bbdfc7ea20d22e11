import { setTimeout as sleep } from "node:timers/promises";
import type { Probe } from "../probe.js";
import type { ProbeAnswer } from "../probe-executor.js";

/**
 * What an answer says, without what differs between any two: the id that was asked for, those of the
 * request itself, times. A foreign id and a missing one must read alike, or the difference tells that
 * the object exists.
 */
export function comparable({ text }: Pick<ProbeAnswer, "text">, asked: string): string {
  return text
    .replaceAll(asked, "ID")
    .replaceAll(/"(requestId|id|[A-Za-z]+_id)":"(req|msg|ans|aud)_[^"]+"/g, '"$1":"…"')
    .replaceAll(/req_[A-Za-z0-9_-]{20}/g, "req")
    .replaceAll(/"([A-Za-z]+_)?(totalMs|ms|retryAfterMs)":[0-9.]+/g, '"$2":0');
}

/** What says no after it has looked: all else, a server that is busy or ill, has looked at nothing. */
const decided: ReadonlySet<string> = new Set(["NOT_FOUND", "FORBIDDEN", "BAD_USER_INPUT"]);
const triesMax = 3;
const pauseMs = 100;

/** Whether an attack came to where it was aimed. */
export function reached({ data, errors, text }: ProbeAnswer): boolean {
  return (data !== null || errors.length > 0) && errors.every(({ code }) => decided.has(code)) && !/"__typename":"(Refusal|AnswerFailed)"/.test(text);
}

/** Sends an attack until it has come through, a few times. `false`, and told as uncovered, when it never did: nothing was probed then. */
export async function comesThrough(probe: Pick<Probe, "evidence" | "signal">, field: string, send: () => Promise<readonly ProbeAnswer[]>, triesOf = triesMax): Promise<readonly ProbeAnswer[] | false> {
  for (let tries = 1; ; tries += 1) {
    const answers = await send();
    const refused = answers.find((answer) => !reached(answer));
    if (answers.length > 0 && refused === undefined) return answers;
    if (tries >= triesOf) {
      probe.evidence.uncovered(field, "", `an attack was not let through: ${refused?.errors[0]?.code ?? "no answer, or a refusal"}`);
      return false;
    }
    await sleep(pauseMs, undefined, { signal: probe.signal });
  }
}

/** Whether an answer shows that the id was looked for. Anything else, such as a refused argument, was no probe of it. */
export function reachedTheId({ errors, data }: Pick<ProbeAnswer, "errors" | "data">): boolean {
  if (errors.length > 0) return errors.every(({ code }) => code === "NOT_FOUND" || code === "FORBIDDEN");
  return data !== null;
}
