import type { TimingRow } from "../storage/control/timing-rows.js";

export interface ReadPeriods {
  readonly rows: readonly TimingRow[];
  /** Where the first period that was read begins. Left out when all was read. */
  readonly readFrom?: Date;
}

/**
 * Of a range with more rows than may be read at once, the latest periods that were read whole: a part
 * of a period would show some tenants and not others. A single period with more is cut all the same.
 */
export async function wholePeriods(read: (rowsMax: number) => Promise<readonly TimingRow[]>, rowsMax: number): Promise<ReadPeriods> {
  const rows = await read(rowsMax + 1);
  const oldest = rows[rowsMax]?.from;
  if (oldest === undefined) return { rows };
  const whole = rows.filter(({ from }) => from > oldest);
  const first = whole.at(-1);
  return first === undefined ? { rows: rows.slice(0, rowsMax), readFrom: oldest } : { rows: whole, readFrom: first.from };
}
