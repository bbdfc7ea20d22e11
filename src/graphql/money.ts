/** The twin of an amount for people: `$0.000123`. Never parse it; `costMicroUsd` is the amount. */
export function formatMicroUsd(microUsd: number): string {
  const sign = microUsd < 0 ? "-" : "";
  const digits = String(Math.abs(microUsd)).padStart(7, "0");
  return `${sign}$${digits.slice(0, -6)}.${digits.slice(-6)}`;
}
