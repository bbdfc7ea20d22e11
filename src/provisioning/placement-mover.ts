import { setTimeout as sleep } from "node:timers/promises";
import { randomBytes } from "node:crypto";
import { BulkheadError } from "../kernel/errors.js";
import type { MoveId } from "../kernel/ids.js";
import type { Telemetry } from "../kernel/telemetry.js";
import type { MovePhase, PlacementMoveRow } from "../storage/control/control-plane.js";
import { moveSteps, type MoveRun, type MoveTools } from "./move-steps.js";

/** How long a move belongs to a server that says nothing. Another takes over after that. */
const leaseMs = 10_000;
/** Three beats are lost before the lease is. */
const heartbeatMs = 3_000;
/** How often a server looks for moves whose driver has died. */
const orphanPollMs = 2_000;
/** Tries of one step before a move that can still be undone is undone. */
const attemptsMax = 3;
const retryPauseMs = 500;

/** Drives placement moves, one at a time on each server, and takes over those of servers that died. */
export class PlacementMover {
  readonly #owner = `mover-${randomBytes(9).toString("base64url")}`;
  readonly #stopping = new AbortController();
  #wake: (() => void) | undefined;
  #loop: Promise<void> | undefined;

  constructor(private readonly tools: MoveTools, private readonly telemetry: Telemetry) {}

  start(): void {
    this.#loop ??= this.#run();
  }

  /** Looks for work at once, because this server has just begun a move. */
  kick(): void {
    this.#wake?.();
  }

  /** Lets the present step notice and stop; the move goes on elsewhere, or at the next start. */
  async close(): Promise<void> {
    this.#stopping.abort();
    this.#wake?.();
    await this.#loop;
  }

  /** Drives one move as far as it goes. For a caller that holds no loop, such as a proof. */
  async drive(id?: MoveId): Promise<boolean> {
    const move = await this.tools.control.moves.lease(this.#owner, leaseMs, id);
    if (move === undefined) return false;
    await this.#drive(move);
    return true;
  }

  async #run(): Promise<void> {
    while (!this.#stopping.signal.aborted) {
      try {
        if (await this.drive()) continue;
      } catch (error) {
        this.telemetry.log("warn", "Placement moves could not be looked for", { error: String(error) });
      }
      await this.#pause(orphanPollMs);
    }
  }

  async #drive(move: PlacementMoveRow): Promise<void> {
    const lost = new AbortController();
    const signal = AbortSignal.any([lost.signal, this.#stopping.signal]);
    const beat = setInterval(() => {
      this.tools.control.moves.record(move.id, this.#owner, {}, leaseMs).catch((error: unknown) => lost.abort(error));
    }, heartbeatMs);
    const token = `${this.#owner}.${randomBytes(9).toString("base64url")}`;
    const record: MoveRun["record"] = async (change) => {
      await this.tools.control.moves.record(move.id, this.#owner, change, leaseMs);
    };
    try {
      let phase: MovePhase = move.phase;
      while (phase !== "DONE" && phase !== "FAILED") {
        signal.throwIfAborted();
        const next: MovePhase = await this.#step(phase, { move, token, record, signal });
        await record({ phase: next });
        this.telemetry.log("info", "Placement move", { moveId: move.id, tenantId: move.tenantId, phase: next });
        phase = next;
      }
    } catch (error) {
      await this.#stopped(move, error, signal.aborted);
    } finally {
      clearInterval(beat);
    }
  }

  async #step(phase: Exclude<MovePhase, "DONE" | "FAILED">, run: MoveRun): Promise<MovePhase> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await moveSteps[phase](this.tools, run);
      } catch (error) {
        run.signal.throwIfAborted();
        // A conflict means that someone else decides now: neither retried nor undone here.
        if (error instanceof BulkheadError && error.code === "CONFLICT") throw error;
        this.telemetry.log("warn", "A step of a placement move failed", { moveId: run.move.id, phase, attempt, error: String(error) });
        if (attempt >= attemptsMax) {
          if (!cancellable(phase)) throw error;
          await run.record({ failure: `${phase}: ${error instanceof BulkheadError ? error.message : "internal error"}` });
          return "CANCELLING";
        }
        await sleep(retryPauseMs * attempt, undefined, { signal: run.signal });
      }
    }
  }

  async #stopped(move: PlacementMoveRow, error: unknown, onPurpose: boolean): Promise<void> {
    if (!onPurpose) this.telemetry.alarm("placement_move_failed", { moveId: move.id, tenantId: move.tenantId, error: String(error) });
    try {
      // On purpose: let another server go on at once. After a failure: not before the lease has passed, which spaces the tries.
      if (onPurpose) await this.tools.control.moves.release(move.id, this.#owner);
    } catch (releaseError) {
      this.telemetry.log("warn", "The lease of a placement move was not released and will expire", { moveId: move.id, error: String(releaseError) });
    }
    if (!onPurpose) await this.#pause(retryPauseMs);
  }

  async #pause(ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
      if (this.#stopping.signal.aborted) this.#wake();
    });
    this.#wake = undefined;
  }
}

/** Once the directory may have switched, a move only goes forward. */
function cancellable(phase: MovePhase): boolean {
  return phase === "PREPARING" || phase === "PAUSING" || phase === "COPYING" || phase === "VERIFYING";
}
