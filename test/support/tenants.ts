import { readFileSync } from "node:fs";
import { parseTenantId, parseUserId, type RequestId, type TenantId } from "../../src/kernel/ids.js";
import type { AlarmName, Telemetry, TelemetryFields } from "../../src/kernel/telemetry.js";
import { openTenantContext, type TenantContext } from "../../src/tenancy/tenant-context.js";
import type { Home, TenantRecord } from "../../src/tenancy/tenant-record.js";
import { parseTierPolicies, type Tier } from "../../src/tenancy/tier-policy.js";

export const policies = parseTierPolicies(JSON.parse(readFileSync(new URL("../../tenants/tiers.json", import.meta.url), "utf8")));

export function recordOf(id: string, options: { tier?: Tier; epoch?: number; home?: Home } = {}): TenantRecord {
  return {
    id: parseTenantId(id),
    name: id,
    tier: options.tier ?? "PRO",
    state: "ACTIVE",
    placement: { kind: "SETTLED", home: options.home ?? { kind: "POOL" }, epoch: options.epoch ?? 1 },
    createdAt: new Date(0),
    version: 1,
  };
}

/** A context as a request of this tenant's user has it. */
export function contextOf(id: string, options: { tier?: Tier; epoch?: number; home?: Home; user?: string } = {}): TenantContext {
  const record = recordOf(id, options);
  const caller = { kind: "TENANT", tenantId: record.id as TenantId, userId: parseUserId(options.user ?? "user-1"), roles: ["member"], expiresAt: 2_000_000_000 } as const;
  return openTenantContext(caller, record, policies, "req_test" as RequestId);
}

export interface RecordingTelemetry extends Telemetry {
  readonly alarms: { readonly name: AlarmName; readonly fields: TelemetryFields }[];
  readonly logs: { readonly level: string; readonly message: string; readonly fields?: TelemetryFields }[];
}

export function recordingTelemetry(): RecordingTelemetry {
  const alarms: RecordingTelemetry["alarms"] = [];
  const logs: RecordingTelemetry["logs"] = [];
  return {
    alarms,
    logs,
    alarm: (name, fields) => void alarms.push({ name, fields }),
    log: (level, message, fields) => void logs.push({ level, message, ...(fields === undefined ? {} : { fields }) }),
    count() {},
    observe() {},
  };
}
