import { readFileSync } from "node:fs";
import type { RequestId, TenantId, UserId } from "../../src/kernel/ids.js";
import type { Telemetry } from "../../src/kernel/telemetry.js";
import { addUsage, noUsage, type TenantLedger, type UsageRow, type UsageTotals } from "../../src/storage/control/usage-rows.js";
import { openTenantContext, type TenantContext } from "../../src/tenancy/tenant-context.js";
import { parseTierPolicies, type Tier, type TierPolicies, type TierPolicy } from "../../src/tenancy/tier-policy.js";
import type { TenantRole } from "../../src/tenancy/verified-caller.js";
import { PriceBook } from "../../src/usage/price-book.js";
import { UsageRecorder } from "../../src/usage/usage-recorder.js";
import { UserPseudonyms } from "../../src/usage/user-pseudonyms.js";

export const tierPolicies: TierPolicies = parseTierPolicies(readJson("tiers.json"));
export const priceBook = PriceBook.parse(readJson("prices.json"));
export const pseudonyms = pseudonymsOf(Buffer.alloc(32, 7));

/** Every tenant's key is the same here: what tells two tenants' names apart must not be the key alone. */
export function pseudonymsOf(key: Buffer): UserPseudonyms {
  return new UserPseudonyms({ ensure: async () => ({ versions: [{ version: 1, key }] }) });
}

export interface ContextOptions {
  readonly tenant?: string;
  readonly user?: string;
  readonly tier?: Tier;
  readonly roles?: readonly TenantRole[];
  readonly policy?: Partial<TierPolicy>;
  readonly requestId?: string;
}

/** A context as the gateway would open it, with single limits changed where a test needs small ones. */
export function contextOf(options: ContextOptions = {}): TenantContext {
  const { tenant = "acme", user = "ada", tier = "FREE", roles = ["member"], policy = {}, requestId = "req_test" } = options;
  const tenantId = tenant as TenantId;
  const record = { id: tenantId, name: tenant, tier, state: "ACTIVE", placement: { kind: "SETTLED", home: { kind: "POOL" }, epoch: 1 }, createdAt: new Date(0), version: 1 } as const;
  const policies = { ...tierPolicies, [tier]: { ...tierPolicies[tier], ...policy } };
  return openTenantContext({ kind: "TENANT", tenantId, userId: user as UserId, roles, expiresAt: 0 }, record, policies, requestId as RequestId);
}

export interface RecordingTelemetry extends Telemetry {
  readonly counts: Map<string, number>;
  readonly alarms: string[];
}

export function recordingTelemetry(): RecordingTelemetry {
  const counts = new Map<string, number>();
  const alarms: string[] = [];
  return {
    counts,
    alarms,
    log() {},
    alarm: (name) => void alarms.push(name),
    count: (name, _labels, by = 1) => void counts.set(name, (counts.get(name) ?? 0) + by),
    observe() {},
  };
}

export type LedgerRow = Omit<UsageRow, "id">;

/** A ledger in memory with the port's promise: the same call sent twice is one row. */
export class MemoryLedger implements TenantLedger {
  readonly rows: LedgerRow[] = [];
  failures = 0;

  async append(row: LedgerRow): Promise<void> {
    if (this.failures > 0) {
      this.failures -= 1;
      throw new TypeError("The ledger cannot be written");
    }
    const isSame = (other: LedgerRow) => other.requestId === row.requestId && other.path === row.path && other.callNumber === row.callNumber && other.kind === row.kind;
    if (!this.rows.some(isSame)) this.rows.push(row);
  }

  async report(from: Date, to: Date, groupBy: "MODEL" | "USER" | "OPERATION" | "DAY", userPseudonym?: string): ReturnType<TenantLedger["report"]> {
    const keyOf = (row: LedgerRow) => ({ MODEL: row.model, USER: row.userPseudonym, OPERATION: row.operation, DAY: row.at.toISOString().slice(0, 10) })[groupBy];
    const groups = new Map<string, UsageTotals>();
    for (const row of this.rows.filter((row) => row.at >= from && row.at < to && (userPseudonym === undefined || row.userPseudonym === userPseudonym))) {
      const { promptTokens, completionTokens, cachedPromptTokens = 0, reasoningTokens = 0, costMicroUsd } = row;
      const own = { calls: row.corrects === undefined ? 1 : 0, promptTokens, completionTokens, cachedPromptTokens, reasoningTokens, costMicroUsd };
      groups.set(keyOf(row), addUsage(groups.get(keyOf(row)) ?? noUsage, own));
    }
    return [...groups].map(([key, group]) => ({ key, ...group }));
  }
}

export function recorderOf(ledger: TenantLedger, telemetry: Telemetry): UsageRecorder {
  return new UsageRecorder(() => ledger, priceBook, pseudonyms, telemetry);
}

function readJson(name: string): unknown {
  return JSON.parse(readFileSync(new URL(`../../tenants/${name}`, import.meta.url), "utf8"));
}
