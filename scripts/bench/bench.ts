/**
 * `npm run bench -- NAME [ARGS] [--json]`: one benchmark beside its peer. Exits 0 whether or not its
 * goals are met, and non-zero only when it could not measure.
 */
import { cpus, totalmem } from "node:os";
import { existsSync } from "node:fs";
import type { Bench, Goal, Measured } from "./bench-result.js";

const [name, ...rest] = process.argv.slice(2);
const json = rest.includes("--json");
const args = rest.filter((argument) => argument !== "--json");

if (name === undefined || !/^[a-z-]+$/.test(name) || !existsSync(new URL(`./${name}.bench.ts`, import.meta.url))) {
  process.stderr.write(`bench: got ${JSON.stringify(name ?? null)}, expected the name of a file scripts/bench/NAME.bench.ts\n`);
  process.exit(2);
}

const { bench } = (await import(new URL(`./${name}.bench.ts`, import.meta.url).href)) as { bench: Bench };
const measured = await bench(args, (line) => process.stderr.write(`${line}\n`));
const pass = Object.entries(measured.goals).every(([goal, wanted]) => meets(measured, goal, wanted));
const result = { bench: name, machine: machine(), ...measured, pass };

if (json) process.stdout.write(`${JSON.stringify(result)}\n`);
else print(measured, pass);

function meets(of: Measured, goal: string, wanted: Goal): boolean {
  const value = of.ratios[goal];
  return value !== undefined && (wanted.op === "<=" ? value <= wanted.value : value >= wanted.value);
}

function print(of: Measured, passed: boolean): void {
  for (const row of of.results) process.stdout.write(`${row.system.padEnd(32)} ${row.metric.padEnd(24)} ${row.value.toFixed(2).padStart(12)} ${row.unit}\n`);
  for (const [key, value] of Object.entries(of.ratios)) {
    const goal = of.goals[key];
    const verdict = goal === undefined ? "" : `goal ${goal.op} ${goal.value}: ${meets(of, key, goal) ? "met" : "not met"}`;
    process.stdout.write(`${key.padEnd(57)} ${value.toFixed(3).padStart(12)} ${verdict}\n`);
  }
  process.stdout.write(`${passed ? "All goals met" : "Not all goals met"}\n`);
}

function machine(): Readonly<Record<string, unknown>> {
  return { cpu: cpus()[0]?.model ?? "unknown", cores: cpus().length, memoryGiB: Math.round(totalmem() / 2 ** 30), node: process.versions.node, platform: `${process.platform} ${process.arch}` };
}
