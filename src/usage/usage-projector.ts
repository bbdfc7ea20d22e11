import { randomBytes } from "node:crypto";
import type { Telemetry } from "../kernel/telemetry.js";
import type { UsageRollups } from "../storage/control/usage-rows.js";

export interface ProjectorTimes {
  /** Between two passes. */
  readonly pauseMs: number;
  /** An hour that this server has written no row of for so long is given up. */
  readonly idleMs: number;
}

const timesDefault: ProjectorTimes = { pauseMs: 10_000, idleMs: 30_000 };
/** Several passes long: a server that dies is followed by another within a minute. */
const leaseMs = 60_000;
/** Between two keepings of the lease. */
const hoursMax = 200;
/** How far back and how often rows are counted against rollups; see `HourClaims` for what that would find. */
const countedMs = 48 * 3_600_000;
const countEveryMs = 24 * 3_600_000;

/**
 * Keeps the rollups equal to the rows, on one server at a time. Every server gives up the hours it
 * no longer writes; the one with the lease sums those anew.
 */
export class UsageProjector {
  readonly #owner = `projector-${randomBytes(9).toString("base64url")}`;
  readonly #stopping = new AbortController();
  #wake: (() => void) | undefined;
  #loop: Promise<void> | undefined;
  #countedAt = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly rollups: UsageRollups,
    private readonly telemetry: Telemetry,
    private readonly times: ProjectorTimes = timesDefault,
  ) {}

  start(): void {
    this.#loop ??= this.#run();
  }

  /** Gives up every hour this server has written, so that another can project them at once. */
  async close(): Promise<void> {
    this.#stopping.abort();
    this.#wake?.();
    await this.#loop;
    await this.rollups.releaseHours(0).catch((error: unknown) => this.telemetry.log("warn", "Hours of the usage ledger were not given up and will expire", { error: String(error) }));
  }

  /** One pass: gives up idle hours and, with the lease, projects what is free. Gives the number of hours projected. */
  async pass(): Promise<number> {
    await this.rollups.releaseHours(this.times.idleMs);
    let projected = 0;
    while (!this.#stopping.signal.aborted && (await this.rollups.lease(this.#owner, leaseMs))) {
      if (projected === 0) await this.#count();
      const hours = await this.rollups.project(hoursMax);
      projected += hours;
      if (hours === hoursMax) continue;
      // What was there at the first start has been projected; what came since keeps its own hours on the list.
      if (!(await this.rollups.isReady())) await this.rollups.setReady();
      break;
    }
    return projected;
  }

  async #count(): Promise<void> {
    const now = performance.now();
    if (now - this.#countedAt < countEveryMs) return;
    const isFirst = !(await this.rollups.isReady());
    const stale = await this.rollups.markStale(isFirst ? undefined : new Date(Date.now() - countedMs));
    this.#countedAt = now;
    if (!isFirst && stale > 0) this.telemetry.log("warn", "Rollups of usage did not equal their rows and are projected anew", { hours: stale });
  }

  async #run(): Promise<void> {
    while (!this.#stopping.signal.aborted) {
      try {
        await this.pass();
      } catch (error) {
        this.telemetry.log("warn", "Usage could not be projected", { error: String(error) });
      }
      await this.#pause();
    }
  }

  async #pause(): Promise<void> {
    if (this.#stopping.signal.aborted) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, this.times.pauseMs);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#wake = undefined;
  }
}
