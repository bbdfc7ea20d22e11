/** Begins erasures and tells how they stand. `erasing/` does the work, on whichever server takes it. */
import { setTimeout as sleep } from "node:timers/promises";
import { conflict, notFound } from "../kernel/errors.js";
import type { Deadline } from "../kernel/deadline.js";
import { asTenantId } from "../kernel/ids.js";
import type { ControlPlane } from "../storage/control/control-plane.js";
import type { ErasureRow } from "../storage/control/erasure-rows.js";
import type { CachedTenantDirectory } from "../tenancy/tenant-directory.js";
import { isProbeTenant } from "../tenancy/probe-tenant.js";
import type { TenantRecord } from "../tenancy/tenant-record.js";
import { stopServing } from "./erasing/stop-tenant.js";

export interface ErasureTools {
  readonly control: ControlPlane;
  readonly directory: CachedTenantDirectory;
  /** Told when an erasure was begun. */
  readonly onErasureBegun: () => void;
}

const pollMs = 50;
/** Kept back from the caller's deadline, so that the receipt as it stands still reaches them. */
const answerMs = 2_000;

export class TenantErasure {
  constructor(private readonly tools: ErasureTools) {}

  /**
   * Erases the tenant for good. Waits as long as the deadline lets it and gives the receipt as it
   * stands then; the work goes on without the caller. Asked again it takes up what was `PARTIAL`, and
   * gives the same receipt of what is complete. Throws `NOT_FOUND`.
   */
  async erase(id: unknown, deadline: Deadline): Promise<{ readonly tenant: TenantRecord; readonly receipt: ErasureRow }> {
    const { control } = this.tools;
    const { id: tenantId } = await this.#existing(id);
    // Its id is never given again, and no audit could pass from then on.
    if (isProbeTenant(tenantId)) throw conflict(`The tenant ${tenantId} belongs to the isolation audit: suspend nothing and erase nothing of it`);
    // The row first: a crash after it leaves a job that is taken up, a crash before it a tenant that is served as before.
    let receipt = await control.erasures.begin(tenantId);
    if (receipt.status === "IN_PROGRESS") await stopServing(this.tools, tenantId);
    this.tools.onErasureBegun();
    while (receipt.status === "IN_PROGRESS" && deadline.remainingMs() > answerMs && !deadline.signal.aborted) {
      await sleep(pollMs);
      receipt = (await control.erasures.find(tenantId)) ?? receipt;
    }
    return { tenant: await this.#existing(tenantId), receipt };
  }

  /** Undefined for a tenant that nobody has erased, or that is not. */
  async find(id: unknown): Promise<ErasureRow | undefined> {
    const tenant = await this.#lookup(id);
    return tenant === undefined ? undefined : this.tools.control.erasures.find(tenant.id);
  }

  async #existing(id: unknown): Promise<TenantRecord> {
    const record = await this.#lookup(id);
    if (record === undefined) throw notFound("Tenant");
    return record;
  }

  async #lookup(id: unknown): Promise<TenantRecord | undefined> {
    const tenantId = asTenantId(id);
    return tenantId === undefined ? undefined : this.tools.control.directory.find(tenantId);
  }
}
