import type { TenantId } from "../kernel/ids.js";
import type { Telemetry } from "../kernel/telemetry.js";
import type { TenantDirectory } from "../tenancy/tenant-directory.js";
import type { SemanticCache } from "./semantic-cache.js";

/** Between two rounds. With the directory's own age an erased tenant's answers are gone from every server within seconds. */
const roundMsDefault = 2_000;

/**
 * Frees the answers of tenants that are not served any more, and those that have run out. Nobody could
 * be given them, since such a tenant's callers are not let in: this is about the memory they lie in.
 */
export class CacheKeeper {
  #timer: NodeJS.Timeout | undefined;
  #round: Promise<void> | undefined;
  #isClosed = false;

  constructor(
    private readonly cache: SemanticCache,
    private readonly directory: TenantDirectory,
    private readonly telemetry: Telemetry,
    private readonly roundMs = roundMsDefault,
  ) {}

  start(): void {
    if (this.#isClosed) return;
    this.#timer = setTimeout(() => {
      this.#round = this.round().then(() => this.start());
    }, this.roundMs).unref();
  }

  /** Never rejects. One tenant after the other: some thousand lookups of a directory at once would be felt by requests. */
  async round(): Promise<void> {
    for (const tenantId of this.cache.tenants()) {
      if (this.#isClosed) return;
      this.cache.sweep(tenantId);
      if (!(await this.#isServed(tenantId))) this.cache.forget(tenantId);
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    await this.#round;
  }

  /** A directory that does not answer says nothing of the tenant. Its answers are not served meanwhile either: requests ask the same directory. */
  async #isServed(tenantId: TenantId): Promise<boolean> {
    try {
      return (await this.directory.find(tenantId))?.state === "ACTIVE";
    } catch (error) {
      this.telemetry.log("warn", "Whether a tenant's cached answers are still wanted could not be found out", { tenantId, error: String(error) });
      return true;
    }
  }
}
