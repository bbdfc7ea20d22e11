/** Follows a placement move to its end and shows how far it is. */
import { setTimeout as sleep } from "node:timers/promises";
import { BulkheadError, upstreamFailed } from "../../src/kernel/errors.js";
import type { MoveView, OperatorApi } from "./operator-api.js";

/** Several looks within what a person notices, and no load to speak of. */
const pollMs = 200;
/** A server that is restarted takes its moves up again; whoever follows one waits this long for it. */
const silenceMsMax = 15_000;
/** Between two plain lines of one phase, so that a log of an hour's move stays readable. */
const plainLineMs = 2_000;

const barCells = 24;

/** Ends that an operator wanted. */
const ends: ReadonlySet<string> = new Set(["DONE", "CANCELLED", "REVERTED"]);

/** What a person is told that a phase does. */
const phaseNames: Readonly<Record<string, string>> = {
  PREPARING: "preparing", COPYING: "copying", FOLLOWING: "catching up", VERIFYING: "verifying", SWITCHING: "switching", OBSERVING: "observing",
  RETIRING: "retiring old", CANCELLING: "cancelling", DONE: "done", FAILED: "failed", CANCELLED: "cancelled", REVERTED: "reverted",
};

export interface ProgressOutput {
  readonly isTTY?: boolean;
  write(text: string): unknown;
}

/** A bar that is drawn over itself on a terminal; a line for each phase, and one now and then, elsewhere. */
export class MoveProgress {
  #phase = "";
  #lineAt = -Infinity;
  #drawn = false;

  constructor(private readonly output: ProgressOutput, private readonly now: () => number = () => performance.now()) {}

  show(move: MoveView): void {
    if (this.output.isTTY === true) {
      this.output.write(`\r\u001b[2K${barOf(move)}`);
      this.#drawn = true;
      return;
    }
    const now = this.now();
    if (move.phase === this.#phase && now - this.#lineAt < plainLineMs) return;
    this.#phase = move.phase;
    this.#lineAt = now;
    this.output.write(`${lineOf(move)}\n`);
  }

  /** Leaves the last bar standing and the cursor below it. */
  end(): void {
    if (this.#drawn) this.output.write("\n");
    this.#drawn = false;
  }
}

/** Resolves with the move when it has ended. Throws `UPSTREAM_FAILED` with its reason when it was given up. */
export async function followMove(api: Pick<OperatorApi, "move">, first: MoveView, progress: MoveProgress): Promise<MoveView> {
  let move = first;
  try {
    for (;;) {
      progress.show(move);
      if (ends.has(move.phase)) return move;
      if (move.phase === "FAILED") throw upstreamFailed(`The move was given up and the tenant stays in its ${move.from}: ${move.failure ?? "no reason was kept"}`);
      await sleep(pollMs);
      move = await patiently(() => api.move(move.id));
    }
  } finally {
    progress.end();
  }
}

/** Waits out a server that is away for a moment; every other error is the caller's to hear. */
export async function patiently<T>(look: () => Promise<T>): Promise<T> {
  const end = performance.now() + silenceMsMax;
  for (;;) {
    try {
      return await look();
    } catch (error) {
      if (!(error instanceof BulkheadError) || error.code !== "SERVICE_UNAVAILABLE" || performance.now() > end) throw error;
      await sleep(pollMs);
    }
  }
}

function barOf(move: MoveView): string {
  const filled = Math.round(shareOf(move) * barCells);
  return `${nameOf(move).padEnd(13)} [${"#".repeat(filled)}${"-".repeat(barCells - filled)}] ${countOf(move)}`;
}

function lineOf(move: MoveView): string {
  return `${move.phase} ${countOf(move)}`;
}

/** A newer server's phase is shown as it is. */
function nameOf({ phase, reverting }: MoveView): string {
  const name = phaseNames[phase] ?? phase;
  return reverting && !ends.has(phase) ? `back: ${name}` : name;
}

function countOf({ copied, total, rowsPerSecond, estimatedSecondsLeft, writePauseMs }: MoveView): string {
  return [
    `${copied}/${total} rows`,
    ...(rowsPerSecond === null ? [] : [`${rowsPerSecond} rows/s`]),
    ...(estimatedSecondsLeft === null ? [] : [`${durationOf(estimatedSecondsLeft)} left`]),
    ...(writePauseMs === null ? [] : [`writes waited ${writePauseMs} ms`]),
  ].join(", ");
}

function durationOf(seconds: number): string {
  const whole = Math.ceil(seconds);
  return whole < 60 ? `${whole} s` : `${Math.floor(whole / 60)} min ${whole % 60} s`;
}

/** Nothing is counted before copying begins; a tenant without rows has none to copy when it has switched. */
function shareOf({ phase, copied, total }: MoveView): number {
  if (phase === "DONE" || phase === "OBSERVING" || phase === "RETIRING") return 1;
  return total === 0 ? 0 : Math.min(1, copied / total);
}
