import { setTimeout as sleep } from "node:timers/promises";
import type { Deadline } from "../kernel/deadline.js";
import { conflict, notFound } from "../kernel/errors.js";
import { asTenantId, newId, type RequestId } from "../kernel/ids.js";
import type { LeasedCache } from "../kernel/leased-cache.js";
import { SingleFlight } from "../kernel/single-flight.js";
import type { Telemetry } from "../kernel/telemetry.js";
import { homeKey } from "../routing/home-key.js";
import type { ControlPlane } from "../storage/control/control-plane.js";
import { FenceRefused } from "../storage/fence.js";
import type { TenantHome } from "../storage/home.js";
import { rotateSiloKey, type KeyRotation } from "../storage/sealing/rotate-silo-key.js";
import { openJobContext } from "../tenancy/tenant-context.js";
import type { TenantRecord } from "../tenancy/tenant-record.js";
import type { TierPolicies } from "../tenancy/tier-policy.js";

export interface RotationTools {
  readonly control: ControlPlane;
  readonly homes: LeasedCache<TenantHome>;
  readonly policies: TierPolicies;
  readonly telemetry: Telemetry;
}

/** Kept back from the caller's deadline, so that the answer still reaches them. */
const answerMs = 2_000;

/** Gives silos new keys, in the background of whoever asked. */
export class KeyRotations {
  readonly #running = new SingleFlight<KeyRotation>();

  constructor(private readonly tools: RotationTools) {}

  /**
   * Waits as long as the deadline lets it; undefined when the rotation goes on beyond it. Asked
   * again, also after a crash, it goes on with a rotation that is unfinished. Throws `NOT_FOUND`,
   * `CONFLICT` for a tenant in the pool, on its way, or erased.
   */
  async rotate(id: unknown, deadline: Deadline): Promise<{ readonly tenant: TenantRecord; readonly rotation: KeyRotation | undefined }> {
    const tenantId = asTenantId(id);
    const tenant = tenantId === undefined ? undefined : await this.tools.control.directory.find(tenantId);
    if (tenant === undefined) throw notFound("Tenant");
    const work = this.#running.run(tenant.id, () => this.#rotate(tenant));
    // Heard of by nobody once the deadline has passed.
    work.catch((error: unknown) => this.tools.telemetry.log("warn", "A tenant's key was not rotated to the end: ask again", { tenantId: tenant.id, error: String(error) }));
    const over = sleep(Math.max(0, deadline.remainingMs() - answerMs), undefined, { ref: false });
    return { tenant, rotation: (await Promise.race([work, over])) ?? undefined };
  }

  async #rotate(tenant: TenantRecord): Promise<KeyRotation> {
    if (tenant.state === "ERASING" || tenant.state === "ERASED") throw conflict(`The tenant ${tenant.id} is erased, and so is its key`);
    const { placement } = tenant;
    if (placement.kind === "MOVING") throw conflict(`The tenant ${tenant.id} is on its way: rotate its key when it has settled`);
    if (placement.home.kind === "POOL") throw conflict(`The tenant ${tenant.id} lives in the pool, where it has no key of its own`);
    // A suspended tenant keeps everything, and may have its key changed for that very reason.
    const context = openJobContext({ ...tenant, state: "ACTIVE" }, this.tools.policies, newId<RequestId>("request"));
    const lease = await this.tools.homes.lease(homeKey(placement.home));
    try {
      return await rotateSiloKey(lease.value, context, placement.epoch, this.tools.control.vault);
    } catch (error) {
      if (error instanceof FenceRefused) throw conflict(`The tenant ${tenant.id} was moved meanwhile: rotate its key when it has settled`);
      throw error;
    } finally {
      lease.release();
    }
  }
}
