export interface Goal {
  readonly op: "<=" | ">=";
  readonly value: number;
}

/** What a benchmark gives back. Goals are held against the ratio, or figure, of the same name. */
export interface Measured {
  readonly results: readonly { readonly system: string; readonly metric: string; readonly unit: string; readonly value: number }[];
  readonly ratios: Readonly<Record<string, number>>;
  readonly goals: Readonly<Record<string, Goal>>;
}

export type Bench = (args: readonly string[], progress: (line: string) => void) => Promise<Measured>;

export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** The smallest value that at least the share `q` of the values do not pass. */
export function quantile(values: readonly number[], q: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)] ?? Number.NaN;
}
