/**
 * Events into logs and metrics. Everything above speaks to `kernel`'s `Telemetry`; this folder is the
 * only one that knows pino and prom-client, and it knows no class of the product.
 */
import { pino, type DestinationStream, type Logger } from "pino";
import { collectDefaultMetrics, Registry } from "prom-client";
import type { AlarmName, Telemetry, TelemetryFields } from "../kernel/telemetry.js";
import { BoundedNames } from "./bounded-names.js";
import { MetricFamily } from "./metric-family.js";

export type LogLevel = "debug" | "info" | "warn" | "error";

export interface Alarm {
  readonly name: AlarmName;
  readonly at: Date;
  readonly fields: TelemetryFields;
}

/** What a log has been told, as it has been told. */
export interface TappedEvent {
  readonly message: string;
  readonly fields: TelemetryFields;
  readonly alarm?: AlarmName;
}

/** Enough to read after a bad hour; a flood of one alarm must not grow memory. */
const alarmsKeptMax = 200;

/** Text of users and secrets never reach a log, even when a caller passes them by mistake. */
const withheldFields: ReadonlySet<string> = new Set(["question", "answer", "prompt", "text", "content", "snippet", "query", "token", "authorization", "password", "apiKey"]);

export class ProcessTelemetry implements Telemetry {
  readonly #logger: Logger;
  readonly #registry = new Registry();
  readonly #counters = new MetricFamily(this.#registry, "COUNTER");
  readonly #histograms = new MetricFamily(this.#registry, "HISTOGRAM");
  readonly #tenants = new BoundedNames();
  readonly #alarms: Alarm[] = [];
  readonly #taps = new Set<(event: TappedEvent) => void>();

  /** Logs go to stderr as JSON lines, since stdout belongs to what people paste. `destination` is for tests. */
  constructor(level: LogLevel, destination: DestinationStream = pino.destination({ dest: 2, sync: false, minLength: 0 })) {
    this.#logger = pino({ level, base: null, timestamp: isoTime }, destination);
    collectDefaultMetrics({ register: this.#registry, prefix: "bulkhead_" });
  }

  log(level: LogLevel, message: string, fields: TelemetryFields = {}): void {
    if (!this.#logger.isLevelEnabled(level)) return;
    this.#logger[level](withhold(fields), message);
    for (const tap of this.#taps) tap({ message, fields: withhold(fields) });
  }

  alarm(name: AlarmName, fields: TelemetryFields): void {
    this.#logger.error({ ...withhold(fields), alarm: name }, `Alarm: ${name}`);
    this.count("alarms", { name });
    for (const tap of this.#taps) tap({ message: `Alarm: ${name}`, fields: withhold(fields), alarm: name });
    this.#alarms.push(Object.freeze({ name, at: new Date(), fields: withhold(fields) }));
    if (this.#alarms.length > alarmsKeptMax) this.#alarms.shift();
  }

  count(name: string, labels: Readonly<Record<string, string>> = {}, by = 1): void {
    this.#counters.record(name, this.#bounded(labels), by);
  }

  observe(name: string, value: number, labels: Readonly<Record<string, string>> = {}): void {
    this.#histograms.record(name, this.#bounded(labels), value);
  }

  /** One set of names for all metrics, so that a tenant found in one is found in the others. */
  #bounded(labels: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
    const { tenant } = labels;
    return tenant === undefined ? labels : { ...labels, tenant: this.#tenants.nameOf(tenant) };
  }

  /** Oldest first, at most the last 200 of this process. */
  recentAlarms(): readonly Alarm[] {
    return [...this.#alarms];
  }

  /** For the isolation audit, which looks for what must never be logged. `listener` must not throw. Call what it returns to end it. */
  tap(listener: (event: TappedEvent) => void): () => void {
    this.#taps.add(listener);
    return () => this.#taps.delete(listener);
  }

  /** The exposition text for `/metrics`, and its media type. */
  async metrics(): Promise<{ readonly text: string; readonly contentType: string }> {
    return { text: await this.#registry.metrics(), contentType: this.#registry.contentType };
  }

  /** Writes what pino still holds; call before the process ends. */
  flush(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#logger.flush((error) => (error ? reject(error) : resolve()));
    });
  }
}

let timedSecond = Number.NaN;
let timedPrefix = "";

/** pino's own, which makes a date for each line; here for each second. */
function isoTime(): string {
  const now = Date.now();
  const second = Math.floor(now / 1_000);
  if (second !== timedSecond) {
    timedPrefix = `,"time":"${new Date(second * 1_000).toISOString().slice(0, -4)}`;
    timedSecond = second;
  }
  return `${timedPrefix}${String(now - second * 1_000).padStart(3, "0")}Z"`;
}

/** At the top and one level down, by name. By hand, because pino's own redaction costs more than the line it guards. */
function withhold(fields: TelemetryFields, depth = 1): TelemetryFields {
  let copy: Record<string, unknown> | undefined;
  for (const key of Object.keys(fields)) {
    const value = fields[key];
    const kept = withheldFields.has(key) ? "[withheld]" : depth > 0 && isPlain(value) ? withhold(value, depth - 1) : value;
    if (kept !== value) (copy ??= { ...fields })[key] = kept;
  }
  return copy ?? fields;
}

function isPlain(value: unknown): value is TelemetryFields {
  return typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}
