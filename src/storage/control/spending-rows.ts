/**
 * What a tenant has spent in the present day and month, and what running calls hold of it. One row a
 * tenant; the ledger is the truth, and the row can be made anew from it at any time.
 */
import type { TenantId } from "../../kernel/ids.js";

/** What one server holds for its running calls. Another server takes it back once `until` has passed. */
export interface Hold {
  /** The number of the server's last change of the row: tells it whether a change whose answer was lost has landed. */
  readonly seq: number;
  readonly microUsd: number;
  readonly calls: number;
  readonly until: Date;
}

/** A tenant's own budget in micro-dollars. A period that is left out has the tier's. */
export interface OwnBudget {
  readonly day?: number;
  readonly month?: number;
}

export interface SpendingRow {
  readonly tenantId: TenantId;
  /** Raised by every change. */
  readonly version: number;
  /** The present day and month in UTC, as `2026-03-01` and `2026-03`. */
  readonly day: string;
  readonly month: string;
  /** Spent in the period, and held by running calls. */
  readonly dayMicroUsd: number;
  readonly monthMicroUsd: number;
  /** Calls that run on all servers. */
  readonly running: number;
  /** The figures may be too high, and are read from the ledger again once nothing runs. */
  readonly doubtful: boolean;
  readonly holds: Readonly<Record<string, Hold>>;
  /** The highest threshold of each period that was told, in percent. */
  readonly warned: { readonly day: number; readonly month: number };
  readonly budget: OwnBudget;
  readonly budgetVersion: number;
}

/** Rows that lie in this process: what is found is how they stand, and between finding and putting nothing happens. */
export interface SpendingHere {
  find(tenantId: TenantId): SpendingRow | undefined;
  put(row: SpendingRow): void;
}

/** One server's change of a row, made only while everything in `only` holds. */
export interface SpendingChange {
  /** Names the server. */
  readonly holder: string;
  readonly only: {
    readonly day: string;
    readonly month: string;
    readonly budgetVersion: number;
    /** Undefined: the server holds nothing and has no part of the row yet. */
    readonly seq: number | undefined;
    /** Bounds of what stands there before the change. */
    readonly dayMicroUsdMax?: number;
    readonly monthMicroUsdMax?: number;
    readonly runningMax?: number;
  };
  /** The number of this change. Never used twice by a server, so a late one cannot land after another. */
  readonly seq: number;
  readonly add: { readonly dayMicroUsd: number; readonly monthMicroUsd: number; readonly heldMicroUsd: number; readonly calls: number };
  readonly until: Date;
  /** Given: the figures may count something twice from now on. */
  readonly doubtful?: true;
}

export interface SpendingStore {
  /** Whether other servers change the rows too: decides how long a row may be remembered. */
  readonly shared: boolean;
  readonly here?: SpendingHere;
  find(tenantId: TenantId): Promise<SpendingRow | undefined>;
  /** In one statement. Undefined when a condition did not hold, and nothing was changed. */
  change(tenantId: TenantId, change: SpendingChange): Promise<SpendingRow | undefined>;
  /** Puts `row` in the place of the version before it; version 1 is put where there is none. False when another was first. */
  replace(row: SpendingRow): Promise<boolean>;
  /** Gives how many rows there were. */
  remove(tenantId: TenantId): Promise<number>;
}
