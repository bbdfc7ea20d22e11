import { setTimeout as sleep } from "node:timers/promises";
import { randomBytes } from "node:crypto";
import { BulkheadError } from "../kernel/errors.js";
import type { MoveId } from "../kernel/ids.js";
import type { Telemetry } from "../kernel/telemetry.js";
import type { MoveEnd, MovePhase, PlacementMoveRow } from "../storage/control/control-plane.js";
import type { MoveRun, MoveTools } from "./move-run.js";
import { isEnd, moveSteps } from "./move-steps.js";

/** How long a move belongs to a server that says nothing. Another takes over after that. */
const leaseMs = 10_000;
/** The same while writes wait: a server that dies then must be missed soon. */
const switchingLeaseMs = 3_000;
const heartbeatMs = 1_000;
/** How often a server looks for moves whose driver has died. */
const orphanPollMs = 1_000;
/** Moves one server works at. Those that are only observed do not count. */
const movesAtOnce = 4;
/** Tries of one step before a move that can still be undone is undone. */
const attemptsMax = 3;
const retryPauseMs = 500;

/** Drives placement moves, a few at a time on each server, and takes over those of servers that died. */
export class PlacementMover {
  readonly #owner = `mover-${randomBytes(9).toString("base64url")}`;
  readonly #stopping = new AbortController();
  readonly #driven = new Map<MoveId, Promise<void>>();
  #working = 0;
  #kicked = false;
  #wake: (() => void) | undefined;
  #loop: Promise<void> | undefined;

  constructor(private readonly tools: MoveTools, private readonly telemetry: Telemetry) {}

  start(): void {
    this.#loop ??= this.#run();
  }

  /** Looks for work at once, because this server has just begun a move. */
  kick(): void {
    this.#kicked = true;
    this.#wake?.();
  }

  /** Lets the present steps notice and stop; the moves go on elsewhere, or at the next start. */
  async close(): Promise<void> {
    this.#stopping.abort();
    this.#wake?.();
    await this.#loop;
    await Promise.all(this.#driven.values());
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
      this.#kicked = false;
      try {
        while (this.#working < movesAtOnce && (await this.#takeOne()));
      } catch (error) {
        this.telemetry.log("warn", "Placement moves could not be looked for", { error: String(error) });
      }
      if (!this.#kicked) await this.#pause(orphanPollMs);
    }
  }

  /** Begins to drive a move that nobody drives. False when there is none. */
  async #takeOne(): Promise<boolean> {
    const move = await this.tools.control.moves.lease(this.#owner, leaseMs, undefined, [...this.#driven.keys()]);
    if (move === undefined) return false;
    const driven = this.#drive(move).finally(() => {
      this.#driven.delete(move.id);
      this.#wake?.();
    });
    this.#driven.set(move.id, driven);
    return true;
  }

  async #drive(leased: PlacementMoveRow): Promise<void> {
    const lost = new AbortController();
    const signal = AbortSignal.any([lost.signal, this.#stopping.signal]);
    const { moves } = this.tools.control;
    const id = leased.id;
    let move = leased;
    const leaseFor = (): number => (move.phase === "SWITCHING" || move.phase === "CANCELLING" ? switchingLeaseMs : leaseMs);
    const beat = setInterval(() => {
      moves.record(id, this.#owner, {}, leaseFor()).catch((error: unknown) => lost.abort(error));
    }, heartbeatMs);
    const run: MoveRun = {
      get move() {
        return move;
      },
      token: `${this.#owner}.${randomBytes(9).toString("base64url")}`,
      record: async (change) => (move = await moves.record(id, this.#owner, change, leaseFor())),
      recordUnless: async (request, change) => {
        const changed = await moves.recordUnless(id, this.#owner, request, change, leaseFor());
        if (changed !== undefined) move = changed;
        return changed;
      },
      signal,
      found: { pausesGivenUp: 0 },
    };
    try {
      let phase: MovePhase = move.phase;
      while (!isEnd(phase)) {
        signal.throwIfAborted();
        await this.tools.at?.(`${phase} before`);
        const next = await this.#counted(phase, () => this.#step(phase as Exclude<MovePhase, MoveEnd>, run));
        await this.tools.at?.(`${phase} after`);
        await run.record({ phase: next });
        await this.tools.at?.(`${phase} recorded`);
        this.telemetry.log("info", "Placement move", { moveId: move.id, tenantId: move.tenantId, phase: next });
        phase = next;
      }
      this.tools.onMoved?.(move.tenantId);
    } catch (error) {
      await this.#stopped(move, error, signal.aborted);
    } finally {
      clearInterval(beat);
    }
  }

  /** Being observed is no work: it may last for an hour, and other moves must not wait for it. */
  async #counted<T>(phase: MovePhase, work: () => Promise<T>): Promise<T> {
    if (phase === "OBSERVING") {
      this.#wake?.();
      return work();
    }
    this.#working += 1;
    try {
      return await work();
    } finally {
      this.#working -= 1;
    }
  }

  async #step(phase: Exclude<MovePhase, MoveEnd>, run: MoveRun): Promise<MovePhase> {
    if (run.move.cancelRequested && cancellable(phase)) return "CANCELLING";
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
  return phase === "PREPARING" || phase === "COPYING" || phase === "FOLLOWING" || phase === "VERIFYING";
}
