import type { Telemetry } from "../kernel/telemetry.js";
import type { AuditCoverage, AuditedSurface, LeakFinding } from "../storage/control/isolation-report-rows.js";

/** Enough to see what is wrong; a broken filter would make a million. */
const findingsMax = 100;

interface Tally {
  probes: number;
  leaks: number;
  planted: number;
  found: number;
}

/** What an audit has tried and seen so far. */
export class Evidence {
  readonly #surfaces = new Map<string, Tally>();
  readonly #findings: LeakFinding[] = [];
  readonly #fields = new Set<string>();
  readonly #covered = new Set<string>();
  readonly #uncovered = new Map<string, string>();
  readonly #missed: string[] = [];
  probes = 0;
  leaks = 0;

  constructor(private readonly telemetry: Pick<Telemetry, "alarm">) {}

  probed(surface: string, count = 1): void {
    this.looked(surface, count);
    this.probes += count;
  }

  /** Something was searched for canaries that no probe of its own had brought about. */
  looked(surface: string, count = 1): void {
    this.#of(surface).probes += count;
  }

  leaked(surface: string, operation: string, description: string): void {
    this.#of(surface).leaks += 1;
    this.leaks += 1;
    if (this.#findings.length >= findingsMax) return;
    this.#findings.push({ surface, operation, description, at: new Date() });
    // The first of each run wakes a person; the report has the rest.
    if (this.leaks === 1) this.telemetry.alarm("isolation_leak", { surface, operation, description });
  }

  /** Whether the owner of a canary found it by the authorised path. */
  recalled(surface: string, found: boolean, what: string): void {
    const tally = this.#of(surface);
    tally.planted += 1;
    if (found) tally.found += 1;
    else if (this.#missed.length < findingsMax) this.#missed.push(`${surface}: ${what}`);
  }

  field(name: string): void {
    this.#fields.add(name);
  }

  covered(name: string): void {
    this.#covered.add(name);
  }

  uncovered(name: string, at: string, why: string): void {
    this.#uncovered.set(`${name}${at}`, `${name}${at}: ${why}`);
    this.#fields.add(name);
  }

  get recall(): number | undefined {
    const all = [...this.#surfaces.values()];
    const planted = all.reduce((sum, tally) => sum + tally.planted, 0);
    return planted === 0 ? undefined : all.reduce((sum, tally) => sum + tally.found, 0) / planted;
  }

  /** What its owner did not find. */
  get missed(): readonly string[] {
    return this.#missed;
  }

  get findings(): readonly LeakFinding[] {
    return this.#findings;
  }

  get surfaces(): readonly AuditedSurface[] {
    return [...this.#surfaces].map(([name, { probes, leaks, planted, found }]) => ({ name, probes, leaks, ...(planted === 0 ? {} : { recall: found / planted }) })).toSorted((a, b) => a.name.localeCompare(b.name));
  }

  /** A field counts as covered when something of it was probed and nothing of it was left out. */
  get coverage(): AuditCoverage {
    const without = [...this.#fields].filter((field) => !this.#covered.has(field) && ![...this.#uncovered.keys()].some((key) => key.startsWith(field)));
    const uncovered = [...this.#uncovered.values(), ...without.map((field) => `${field}: no probe knew how to ask it`)].toSorted();
    const open = new Set([...without, ...[...this.#fields].filter((field) => [...this.#uncovered.keys()].some((key) => key === field || key.startsWith(`${field}(`)))]);
    return { fields: this.#fields.size, covered: this.#fields.size - open.size, uncovered };
  }

  #of(surface: string): Tally {
    let tally = this.#surfaces.get(surface);
    if (tally === undefined) {
      tally = { probes: 0, leaks: 0, planted: 0, found: 0 };
      this.#surfaces.set(surface, tally);
    }
    return tally;
  }
}
