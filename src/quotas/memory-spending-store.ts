import type { TenantId } from "../kernel/ids.js";
import type { SpendingChange, SpendingHere, SpendingRow, SpendingStore } from "../storage/control/spending-rows.js";

/**
 * Figures of this process alone, for where one server runs: a reservation then costs no write and no
 * sync of a disk. After a restart they are read from the ledger. Budgets that a tenant has set, and
 * which warnings were told, go through to `durable` and come back from it.
 */
export class MemorySpendingStore implements SpendingStore {
  readonly shared = false;
  readonly #rows = new Map<TenantId, SpendingRow>();
  readonly here: SpendingHere = { find: (tenantId) => this.#rows.get(tenantId), put: (row) => void this.#rows.set(row.tenantId, row) };

  constructor(private readonly durable: SpendingStore) {}

  async find(tenantId: TenantId): Promise<SpendingRow | undefined> {
    const known = this.#rows.get(tenantId);
    if (known !== undefined) return known;
    const kept = await this.durable.find(tenantId);
    const raced = this.#rows.get(tenantId);
    if (kept === undefined || raced !== undefined) return raced;
    // Its figures are those of its last write: doubtful ones are read from the ledger before they are used.
    const row: SpendingRow = { ...kept, version: 1, running: 0, holds: {}, doubtful: true };
    this.#rows.set(tenantId, row);
    return row;
  }

  async change(tenantId: TenantId, { holder, only, seq, add, until, doubtful }: SpendingChange): Promise<SpendingRow | undefined> {
    const row = this.#rows.get(tenantId);
    if (row === undefined || !allows(row, holder, only)) return undefined;
    const changed = changedRow(row, holder, seq, add, until, doubtful);
    this.#rows.set(tenantId, changed);
    return changed;
  }

  async replace(row: SpendingRow): Promise<boolean> {
    const before = this.#rows.get(row.tenantId);
    if ((before?.version ?? 0) !== row.version - 1) return false;
    this.#rows.set(row.tenantId, row);
    const isKept = before !== undefined && before.budgetVersion === row.budgetVersion && before.warned.day === row.warned.day && before.warned.month === row.warned.month;
    if (!isKept && (row.budgetVersion > 0 || row.warned.day + row.warned.month > 0)) await this.#keep(row);
    return true;
  }

  async remove(tenantId: TenantId): Promise<number> {
    const here = this.#rows.delete(tenantId) ? 1 : 0;
    return Math.max(here, await this.durable.remove(tenantId));
  }

  async #keep(row: SpendingRow): Promise<void> {
    const kept = await this.durable.find(row.tenantId);
    await this.durable.replace({ ...row, version: (kept?.version ?? 0) + 1, running: 0, holds: {} });
  }
}

/** Written out: a row of many fields is copied by name several times as fast as by spreading it. */
export function changedRow(row: SpendingRow, holder: string, seq: number, add: SpendingChange["add"], until: Date, doubtful = row.doubtful): SpendingRow {
  const hold = row.holds[holder];
  return {
    tenantId: row.tenantId,
    version: row.version + 1,
    day: row.day,
    month: row.month,
    dayMicroUsd: row.dayMicroUsd + add.dayMicroUsd,
    monthMicroUsd: row.monthMicroUsd + add.monthMicroUsd,
    running: row.running + add.calls,
    doubtful,
    holds: { ...row.holds, [holder]: { seq, microUsd: (hold?.microUsd ?? 0) + add.heldMicroUsd, calls: (hold?.calls ?? 0) + add.calls, until } },
    warned: row.warned,
    budget: row.budget,
    budgetVersion: row.budgetVersion,
  };
}

function allows(row: SpendingRow, holder: string, only: SpendingChange["only"]): boolean {
  const { dayMicroUsdMax = Infinity, monthMicroUsdMax = Infinity, runningMax = Infinity } = only;
  return (
    row.day === only.day &&
    row.month === only.month &&
    row.budgetVersion === only.budgetVersion &&
    row.holds[holder]?.seq === only.seq &&
    row.dayMicroUsd <= dayMicroUsdMax &&
    row.monthMicroUsd <= monthMicroUsdMax &&
    row.running <= runningMax
  );
}
