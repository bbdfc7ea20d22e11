import { randomBytes } from "node:crypto";
import type { Telemetry } from "../../kernel/telemetry.js";
import type { ErasureRow } from "../../storage/control/erasure-rows.js";
import type { EraseRun, EraseTools } from "./erase-run.js";
import { eraseSteps } from "./erase-steps.js";

/** How long an erasure belongs to a server that says nothing. Another takes over after that. */
const leaseMs = 10_000;
/** Three beats are lost before the lease is. */
const heartbeatMs = 3_000;
/** How often a server looks for erasures whose driver has died. */
const orphanPollMs = 2_000;

/** Drives erasures, one at a time on each server, and takes over those of servers that died. */
export class TenantEraser {
  readonly #owner = `eraser-${randomBytes(9).toString("base64url")}`;
  readonly #stopping = new AbortController();
  #wake: (() => void) | undefined;
  #loop: Promise<void> | undefined;

  constructor(private readonly tools: EraseTools, private readonly telemetry: Telemetry) {}

  start(): void {
    this.#loop ??= this.#run();
  }

  /** Looks for work at once, because this server has just begun an erasure. */
  kick(): void {
    this.#wake?.();
  }

  /** Lets the present step stop; the erasure goes on elsewhere, or at the next start. */
  async close(): Promise<void> {
    this.#stopping.abort();
    this.#wake?.();
    await this.#loop;
  }

  /** Drives one erasure as far as it goes. False when none was free. */
  async drive(): Promise<boolean> {
    const erasure = await this.tools.control.erasures.lease(this.#owner, leaseMs);
    if (erasure === undefined) return false;
    await this.#drive(erasure);
    return true;
  }

  async #run(): Promise<void> {
    while (!this.#stopping.signal.aborted) {
      try {
        if (await this.drive()) continue;
      } catch (error) {
        this.telemetry.log("warn", "Erasures could not be looked for", { error: String(error) });
      }
      await this.#pause();
    }
  }

  async #drive(first: ErasureRow): Promise<void> {
    const lost = new AbortController();
    const signal = AbortSignal.any([lost.signal, this.#stopping.signal]);
    const { erasures } = this.tools.control;
    const run = { erasure: first, token: `${this.#owner}.${randomBytes(9).toString("base64url")}`, signal, record: async (change: Parameters<EraseRun["record"]>[0]) => {
      run.erasure = await erasures.record(first.tenantId, this.#owner, change, leaseMs);
    } };
    const beat = setInterval(() => {
      erasures.record(first.tenantId, this.#owner, {}, leaseMs).catch((error: unknown) => lost.abort(error));
    }, heartbeatMs);
    try {
      while (run.erasure.phase !== "ENDED") {
        signal.throwIfAborted();
        const next = await eraseSteps[run.erasure.phase](this.tools, run);
        // The last step records its phase with the receipt, in one write: the row is closed by then.
        if (next !== "ENDED") await run.record({ phase: next });
        this.telemetry.log("info", "Tenant erasure", { tenantId: first.tenantId, phase: next });
      }
      // A partial one may be asked for again at once, of another server.
      await erasures.release(first.tenantId, this.#owner);
    } catch (error) {
      await this.#stopped(first, error);
    } finally {
      clearInterval(beat);
    }
  }

  async #stopped({ tenantId }: ErasureRow, error: unknown): Promise<void> {
    if (!this.#stopping.signal.aborted) {
      // The lease passes before anyone tries again, which spaces the tries.
      this.telemetry.alarm("tenant_erasure_failed", { tenantId, error: String(error) });
      return;
    }
    await this.tools.control.erasures
      .release(tenantId, this.#owner)
      .catch((releaseError: unknown) => this.telemetry.log("warn", "The lease of an erasure was not released and will expire", { tenantId, error: String(releaseError) }));
  }

  async #pause(): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, orphanPollMs);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
      if (this.#stopping.signal.aborted) this.#wake();
    });
    this.#wake = undefined;
  }
}
