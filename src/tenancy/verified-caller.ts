import type { TenantId, UserId } from "../kernel/ids.js";

export type TenantRole = "member" | "admin";

/** What a verified token says. Made by the gateway alone; no argument, header or body adds to it. */
export type VerifiedCaller = VerifiedTenantCaller | VerifiedOperator;

export interface VerifiedTenantCaller {
  readonly kind: "TENANT";
  readonly tenantId: TenantId;
  readonly userId: UserId;
  readonly roles: readonly TenantRole[];
  /** Seconds since the epoch. */
  readonly expiresAt: number;
}

export interface VerifiedOperator {
  readonly kind: "OPERATOR";
  readonly userId: UserId;
  readonly expiresAt: number;
}
