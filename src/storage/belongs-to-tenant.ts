import { internal } from "../kernel/errors.js";
import type { TenantId } from "../kernel/ids.js";
import type { Telemetry } from "../kernel/telemetry.js";
import { tenantKey } from "./scope.js";

/**
 * The second wall: whatever the filter was, a row of another tenant does not leave `storage/`. It
 * compares with the tenant the store was made for, not with the scope, so that a fault there cannot
 * take both walls down.
 */
export class TenantCheck {
  readonly #keyPrefix: string;

  constructor(private readonly tenantId: TenantId, private readonly telemetry: Telemetry) {
    this.#keyPrefix = tenantKey(tenantId, "");
  }

  /** Returns the row, or raises the alarm and throws `INTERNAL`. */
  row<Row extends { readonly _id: string; readonly tenant_id: string }>(row: Row, collection: string): Row {
    if (row.tenant_id === this.tenantId && typeof row._id === "string" && row._id.startsWith(this.#keyPrefix)) return row;
    this.telemetry.alarm("tenant_mismatch", { wall: "storage", collection, expected: this.tenantId, got: String(row.tenant_id) });
    throw internal("A row of another tenant was read and withheld");
  }

  rows<Row extends { readonly _id: string; readonly tenant_id: string }>(rows: readonly Row[], collection: string): readonly Row[] {
    for (const row of rows) this.row(row, collection);
    return rows;
  }
}
