/** Numbers and moments as people read them. English, as the rest of the page is. */
const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const compact = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
const fraction = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });
const moment = new Intl.DateTimeFormat("en", { dateStyle: "medium", timeStyle: "short" });
const clock = new Intl.DateTimeFormat("en", { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const dayAndClock = new Intl.DateTimeFormat("en", { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", hourCycle: "h23" });

export const formatCount = (value: number): string => whole.format(value);
export const formatCompact = (value: number): string => compact.format(value);
export const formatMoment = (iso: string): string => moment.format(new Date(iso));
export const formatClock = (iso: string): string => clock.format(new Date(iso));
export const formatDayClock = (iso: string): string => dayAndClock.format(new Date(iso));
export const formatPercent = (share: number): string => `${fraction.format(share * 100)} %`;

/** From milliseconds. */
export function formatMs(ms: number): string {
  if (ms === 0) return "0 ms";
  if (ms < 1) return `${ms.toFixed(2)} ms`;
  if (ms < 10) return `${ms.toFixed(1)} ms`;
  if (ms < 1_000) return `${whole.format(ms)} ms`;
  return ms < 60_000 ? `${(ms / 1_000).toFixed(ms < 10_000 ? 2 : 1)} s` : `${Math.floor(ms / 60_000)} min ${Math.round((ms % 60_000) / 1_000)} s`;
}

export function formatBytes(bytes: number): string {
  if (bytes < 1_000) return `${bytes} B`;
  if (bytes < 1_000_000) return `${fraction.format(bytes / 1_000)} kB`;
  return bytes < 1_000_000_000 ? `${fraction.format(bytes / 1_000_000)} MB` : `${fraction.format(bytes / 1_000_000_000)} GB`;
}

/** From micro-dollars: short for charts. The server's own text is shown where the exact amount counts. */
export function formatMicroUsd(micro: number): string {
  const dollars = micro / 1_000_000;
  if (dollars === 0) return "$0";
  return dollars < 0.01 ? `$${dollars.toPrecision(2)}` : `$${dollars < 100 ? dollars.toFixed(2) : whole.format(dollars)}`;
}

/** `INDEXING` as `Indexing`, `SOME_TENANTS` as `Some tenants`. */
export function formatWord(word: string): string {
  const text = word.replaceAll("_", " ").toLowerCase();
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** How long until a moment, counted down: `4:05`, `12 s`. */
export function formatLeft(ms: number): string {
  const seconds = Math.max(0, Math.ceil(ms / 1_000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")} min`;
  const hours = Math.floor(seconds / 3_600);
  return hours < 48 ? `${hours} h ${Math.floor((seconds % 3_600) / 60)} min` : `${Math.floor(hours / 24)} days`;
}
