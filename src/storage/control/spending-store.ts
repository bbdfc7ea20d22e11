import { Long, MongoServerError, type Collection, type Filter } from "mongodb";
import type { TenantId } from "../../kernel/ids.js";
import { duplicateKey } from "./duplicate-key.js";
import type { Hold, OwnBudget, SpendingChange, SpendingRow, SpendingStore } from "./spending-rows.js";

interface StoredHold {
  seq: Long | number;
  micro_usd: Long | number;
  calls: Long | number;
  until: Date;
}

/** Numbers are int64 in the database: money is never a double. The driver hands them back as numbers. */
export interface SpendingDocument {
  _id: string;
  version: Long | number;
  day: string;
  month: string;
  day_micro_usd: Long | number;
  month_micro_usd: Long | number;
  running: Long | number;
  doubtful: boolean;
  holds: Record<string, StoredHold>;
  warned: { day: Long | number; month: Long | number };
  budget: { day?: Long | number; month?: Long | number };
  budget_version: Long | number;
}

/**
 * A call waits for its reservation: a database that has stalled must be noticed within a second, and
 * then nothing is spent.
 */
const spendingMsMax = 1_000;
const written = { writeConcern: { w: "majority" }, timeoutMS: spendingMsMax } as const;

export class MongoSpendingStore implements SpendingStore {
  readonly shared = true;

  constructor(private readonly spending: Collection<SpendingDocument>) {}

  async find(tenantId: TenantId): Promise<SpendingRow | undefined> {
    const found = await this.spending.findOne({ _id: tenantId }, { timeoutMS: spendingMsMax });
    return found === null ? undefined : toRow(found);
  }

  async change(tenantId: TenantId, { holder, only, seq, add, until, doubtful }: SpendingChange): Promise<SpendingRow | undefined> {
    const mine = `holds.${holder}`;
    const filter: Record<string, unknown> = {
      _id: tenantId,
      day: only.day,
      month: only.month,
      budget_version: long(only.budgetVersion),
      ...(only.seq === undefined ? { [mine]: { $exists: false } } : { [`${mine}.seq`]: long(only.seq) }),
      ...(only.dayMicroUsdMax === undefined ? {} : { day_micro_usd: { $lte: long(only.dayMicroUsdMax) } }),
      ...(only.monthMicroUsdMax === undefined ? {} : { month_micro_usd: { $lte: long(only.monthMicroUsdMax) } }),
      ...(only.runningMax === undefined ? {} : { running: { $lte: long(only.runningMax) } }),
    };
    const changed = await this.spending.findOneAndUpdate(
      filter as Filter<SpendingDocument>,
      {
        $inc: {
          version: long(1),
          day_micro_usd: long(add.dayMicroUsd),
          month_micro_usd: long(add.monthMicroUsd),
          running: long(add.calls),
          [`${mine}.micro_usd`]: long(add.heldMicroUsd),
          [`${mine}.calls`]: long(add.calls),
        },
        $set: { [`${mine}.until`]: until, [`${mine}.seq`]: long(seq), ...(doubtful === undefined ? {} : { doubtful }) },
      },
      { ...written, returnDocument: "after" },
    );
    return changed === null ? undefined : toRow(changed);
  }

  async replace(row: SpendingRow): Promise<boolean> {
    const document = toDocument(row);
    if (row.version > 1) {
      const replaced = await this.spending.replaceOne({ _id: row.tenantId, version: long(row.version - 1) }, document, written);
      return replaced.matchedCount === 1;
    }
    try {
      await this.spending.insertOne(document, written);
      return true;
    } catch (error) {
      if (error instanceof MongoServerError && error.code === duplicateKey) return false;
      throw error;
    }
  }

  async remove(tenantId: TenantId): Promise<number> {
    const { deletedCount } = await this.spending.deleteOne({ _id: tenantId }, { writeConcern: { w: "majority" } });
    return deletedCount;
  }
}

function long(value: number): Long {
  return Long.fromNumber(value);
}

function toDocument(row: SpendingRow): SpendingDocument {
  const holds = Object.entries(row.holds).map(([holder, hold]) => [holder, { seq: long(hold.seq), micro_usd: long(hold.microUsd), calls: long(hold.calls), until: hold.until }]);
  return {
    _id: row.tenantId,
    version: long(row.version),
    day: row.day,
    month: row.month,
    day_micro_usd: long(row.dayMicroUsd),
    month_micro_usd: long(row.monthMicroUsd),
    running: long(row.running),
    doubtful: row.doubtful,
    holds: Object.fromEntries(holds) as Record<string, StoredHold>,
    warned: { day: long(row.warned.day), month: long(row.warned.month) },
    budget: { ...(row.budget.day === undefined ? {} : { day: long(row.budget.day) }), ...(row.budget.month === undefined ? {} : { month: long(row.budget.month) }) },
    budget_version: long(row.budgetVersion),
  };
}

function toRow(found: SpendingDocument): SpendingRow {
  const holds = Object.entries(found.holds).map(([holder, hold]): [string, Hold] => [holder, { seq: Number(hold.seq), microUsd: Number(hold.micro_usd), calls: Number(hold.calls), until: hold.until }]);
  const budget: OwnBudget = { ...(found.budget.day === undefined ? {} : { day: Number(found.budget.day) }), ...(found.budget.month === undefined ? {} : { month: Number(found.budget.month) }) };
  return {
    tenantId: found._id as TenantId,
    version: Number(found.version),
    day: found.day,
    month: found.month,
    dayMicroUsd: Number(found.day_micro_usd),
    monthMicroUsd: Number(found.month_micro_usd),
    running: Number(found.running),
    doubtful: found.doubtful,
    holds: Object.fromEntries(holds),
    warned: { day: Number(found.warned.day), month: Number(found.warned.month) },
    budget,
    budgetVersion: Number(found.budget_version),
  };
}
