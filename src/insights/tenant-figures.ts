import type { StageTimes } from "../kernel/stage-clock.js";
import type { HeldTime, TimingRow } from "../storage/control/timing-rows.js";
import { LogHistogram } from "./log-histogram.js";
import type { Holder, SharedStage } from "./timed-request.js";

export interface StageFigures {
  ms: number;
  readonly histogram: LogHistogram;
}

/** Holders kept apart for one tenant in one period; those of less weight are told as one. Bounds a row: about 4 KB. */
const holdersMax = 64;

/** Time in which an open stream has nothing to hand on: nobody waits for this server then. */
const idleStage = "watch";

/** What is known of one tenant's requests in a stretch of time. Two such add up. */
export class TenantFigures {
  requests = 0;
  refusals = 0;
  readonly total: StageFigures = { ms: 0, histogram: new LogHistogram() };
  readonly stages = new Map<string, StageFigures>();
  /** In milliseconds, by stage, work and tenant. */
  readonly #held = new Map<string, HeldTime & { ms: number }>();

  get held(): readonly HeldTime[] {
    return [...this.#held.values()];
  }

  request({ totalMs, stages }: StageTimes): void {
    const idleMs = stages.find(({ name }) => name === idleStage)?.ms ?? 0;
    this.requests += 1;
    addMs(this.total, totalMs - idleMs);
    for (const { name, ms } of stages) if (name !== idleStage) addMs(this.stage(name), ms);
  }

  hold(stage: SharedStage, holders: readonly Holder[]): void {
    for (const { tenantId, work, ms } of holders) this.#addHeld({ stage, work, ms, ...(tenantId === undefined ? {} : { tenant: tenantId }) });
  }

  addRow(row: Pick<TimingRow, "requests" | "refusals" | "total" | "stages" | "held">): void {
    this.requests += row.requests;
    this.refusals += row.refusals;
    this.total.ms += row.total.ms;
    this.total.histogram.addPacked(row.total.buckets);
    for (const { name, ms, buckets } of row.stages) {
      const figures = this.stage(name);
      figures.ms += ms;
      figures.histogram.addPacked(buckets);
    }
    for (const part of row.held) this.#addHeld(part);
  }

  /** Of a tenant that was erased: it is told as one of many. */
  forgetHolder(tenant: string): void {
    for (const [key, part] of this.#held) {
      if (part.tenant !== tenant) continue;
      this.#held.delete(key);
      this.#addHeld({ stage: part.stage, work: "OTHERS", ms: part.ms });
    }
  }

  pack(): Pick<TimingRow, "requests" | "refusals" | "total" | "queueWaitMs" | "stages" | "held"> {
    const { requests, refusals, total, stages } = this;
    return {
      requests, refusals,
      total: { ms: total.ms, buckets: total.histogram.pack() },
      queueWaitMs: stages.get("queue_wait")?.ms ?? 0,
      stages: [...stages].map(([name, { ms, histogram }]) => ({ name, ms, buckets: histogram.pack() })),
      held: this.held,
    };
  }

  stage(name: string): StageFigures {
    let figures = this.stages.get(name);
    if (figures === undefined) this.stages.set(name, (figures = { ms: 0, histogram: new LogHistogram() }));
    return figures;
  }

  #addHeld(part: HeldTime): void {
    const key = `${part.stage} ${part.work} ${part.tenant ?? ""}`;
    const known = this.#held.get(key);
    if (known !== undefined) known.ms += part.ms;
    else if (part.tenant === undefined || this.#held.size < holdersMax) this.#held.set(key, { ...part });
    else this.#addHeld({ stage: part.stage, work: "OTHERS", ms: part.ms });
  }
}

function addMs(figures: StageFigures, ms: number): void {
  figures.ms += ms;
  figures.histogram.add(ms);
}
