import { setTimeout as sleep } from "node:timers/promises";
import { BulkheadError } from "../kernel/errors.js";
import { parseTenantId, type TenantId } from "../kernel/ids.js";
import type { PlacementMoveRow } from "../storage/control/control-plane.js";
import { probeTenants } from "../tenancy/probe-tenant.js";
import type { TenantRecord } from "../tenancy/tenant-record.js";
import type { HomeKind, Tier } from "../tenancy/tier-policy.js";
import { AuditHindered } from "./plant.js";

/** What the audit needs of the administration of tenants. */
export interface ProbeDirectory {
  create(tenant: { readonly id: string; readonly name: string; readonly tier: Tier; readonly placement: HomeKind; readonly forAudit: true }): Promise<TenantRecord>;
  find(id: string): Promise<TenantRecord | undefined>;
  sendHome(id: string): Promise<void>;
  latestMove(id: TenantId): Promise<PlacementMoveRow | undefined>;
}

export interface ReadyTenant {
  readonly tenantId: TenantId;
  readonly placement: HomeKind;
  /** Ids of moves it has made. */
  readonly moves: readonly string[];
}

/** Of the highest tier, whatever their home: an audit must not fail for want of a minute's tokens. */
const tier: Tier = "ENTERPRISE";
/** A silo is made once, by a move like any other; on a cluster far away that takes a while. */
const settleMsMax = 60_000;
const pollMs = 50;

/** The audit's own tenants, each where it belongs. Made at the first audit and kept. Throws `AuditHindered`. */
export async function readyProbeTenants(directory: ProbeDirectory, signal: AbortSignal): Promise<readonly ReadyTenant[]> {
  for (const { id, placement } of probeTenants) await make(directory, id, placement);
  return Promise.all(probeTenants.map(({ id, placement }) => settled(directory, parseTenantId(id), placement, signal)));
}

async function make(directory: ProbeDirectory, id: string, placement: HomeKind): Promise<void> {
  if ((await directory.find(id)) !== undefined) return directory.sendHome(id);
  try {
    await directory.create({ id, name: `Isolation audit (${id})`, tier, placement, forAudit: true });
  } catch (error) {
    // Another server was quicker.
    if (!(error instanceof BulkheadError) || error.code !== "CONFLICT") throw error;
  }
}

async function settled(directory: ProbeDirectory, tenantId: TenantId, placement: HomeKind, signal: AbortSignal): Promise<ReadyTenant> {
  const until = performance.now() + settleMsMax;
  for (;;) {
    const record = await directory.find(tenantId);
    if (record?.state !== "ACTIVE") throw new AuditHindered(`The probe tenant ${tenantId} is ${record?.state ?? "missing"}: reactivate it`);
    if (record.placement.kind === "SETTLED" && record.placement.home.kind === placement) {
      const move = await directory.latestMove(tenantId);
      return { tenantId, placement, moves: move === undefined ? [] : [move.id] };
    }
    if (performance.now() > until) throw new AuditHindered(`The probe tenant ${tenantId} has not come to its ${placement} within ${settleMsMax / 1_000} s`);
    await sleep(pollMs, undefined, { signal });
  }
}
