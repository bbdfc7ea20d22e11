import { Counter, Histogram, type Registry } from "prom-client";

type Labels = Readonly<Record<string, string>>;

interface Metric {
  readonly labelNames: readonly string[];
  /** Exactly the metric's labels, by their values: prom-client throws for any other set, and telemetry must never fail a request. */
  readonly series: Map<string, Labels>;
  record(labels: Labels, value: number): void;
}

/** Milliseconds for what ends in `_ms`, from a cache hit to the request deadline of 30 s. */
const millisecondBuckets = [0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000];

/** The same in seconds, for what ends in `_seconds`. */
const secondBuckets = millisecondBuckets.map((ms) => ms / 1_000);

/** For everything else that is observed: sizes and counts by powers of four. */
const sizeBuckets = [1, 4, 16, 64, 256, 1_024, 4_096, 16_384, 65_536, 262_144, 1_048_576];

/** Label sets of one metric. Each is a time series for ever; a label that varies by request would fill memory. */
const seriesMax = 2_000;

/** Makes metrics when they are first named, with the labels they are first given. */
export class MetricFamily {
  readonly #metrics = new Map<string, Metric>();

  constructor(
    private readonly registry: Registry,
    private readonly kind: "COUNTER" | "HISTOGRAM",
  ) {}

  record(name: string, labels: Labels, value: number): void {
    let metric = this.#metrics.get(name);
    if (metric === undefined) {
      metric = this.#make(name, Object.keys(labels));
      this.#metrics.set(name, metric);
    }
    metric.record(seriesOf(metric, labels), value);
  }

  #make(name: string, labelNames: readonly string[]): Metric {
    const base = { name: `bulkhead_${name}`, help: name.replaceAll("_", " "), labelNames: [...labelNames], registers: [this.registry] };
    if (this.kind === "COUNTER") {
      const counter = new Counter({ ...base, name: base.name.endsWith("_total") ? base.name : `${base.name}_total` });
      return { labelNames, series: new Map(), record: (labels, value) => counter.inc(labels, value) };
    }
    const histogram = new Histogram({ ...base, buckets: bucketsOf(name) });
    return { labelNames, series: new Map(), record: (labels, value) => histogram.observe(labels, value) };
  }
}

function bucketsOf(name: string): number[] {
  if (name.endsWith("_ms")) return millisecondBuckets;
  return name.endsWith("_seconds") ? secondBuckets : sizeBuckets;
}

/** Looked up, not built: most requests record what an earlier one has recorded. */
function seriesOf({ labelNames, series }: Metric, labels: Labels): Labels {
  let key = "";
  for (const name of labelNames) key += `${labels[name] ?? ""}\u0000`;
  const known = series.get(key);
  if (known !== undefined) return known;
  const isOver = series.size >= seriesMax;
  const made = Object.fromEntries(labelNames.map((name) => [name, isOver ? "other" : (labels[name] ?? "")]));
  if (!isOver) series.set(key, made);
  return made;
}
