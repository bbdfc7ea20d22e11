/**
 * What the rest of the code may tell about itself. The port lies here because every folder speaks
 * to it; `observability/` turns it into logs and metrics. Fields never carry prompt or document text.
 */
export interface Telemetry {
  log(level: "debug" | "info" | "warn" | "error", message: string, fields?: TelemetryFields): void;
  /** Something that must wake a person: a tenant mismatch, an operator role in a tenant's token. Logged, counted, and kept. */
  alarm(name: AlarmName, fields: TelemetryFields): void;
  /** A label named `tenant` has a bounded number of values: tenants past it are counted together as `_other`. */
  count(name: string, labels?: Readonly<Record<string, string>>, by?: number): void;
  observe(name: string, value: number, labels?: Readonly<Record<string, string>>): void;
}

export type AlarmName =
  | "tenant_mismatch"
  | "tenant_tag_mismatch"
  | "operator_role_in_tenant_token"
  | "placement_move_failed"
  | "tenant_erasure_failed"
  | "sealed_row_refused"
  | "usage_ledger_write_failed"
  | "isolation_leak"
  | "isolation_audit_overdue";

export type TelemetryFields = Readonly<Record<string, unknown>>;

export const silentTelemetry: Telemetry = Object.freeze({ log() {}, alarm() {}, count() {}, observe() {} });
