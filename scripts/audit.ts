/** `npm run audit`: an isolation audit of a running server, followed to its end. Anything but a clean pass exits non-zero. */
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { parseConfig } from "../src/config.js";
import { badUserInput } from "../src/kernel/errors.js";
import { patiently } from "./tenant/follow-move.js";
import { OperatorApi, type AuditView } from "./tenant/operator-api.js";
import { developmentToken, lineOf, urlOf } from "./tenant/operator-session.js";

const usage = "Usage: npm run audit -- [--probes 2000] [--json] [--url http://127.0.0.1:4000] [--token TOKEN]";
/** What the server does when it is not told otherwise; for the bar alone. */
const probesDefault = 2_000;
const pollMs = 200;
const barCells = 24;

async function main(): Promise<number> {
  const { values } = parseArgs({ options: { probes: { type: "string" }, json: { type: "boolean" }, url: { type: "string" }, token: { type: "string" }, help: { type: "boolean", short: "h" } } });
  if (values.help) {
    process.stdout.write(`${usage}\n`);
    return 0;
  }
  const probes = probesOf(values.probes);
  const config = parseConfig(process.env);
  const api = new OperatorApi(urlOf(values.url ?? `http://127.0.0.1:${config.port}`), values.token ?? (await developmentToken(config)));
  const report = await follow(api, await api.beginAudit(probes), probes ?? probesDefault, values.json === true);
  process.stdout.write(values.json === true ? `${JSON.stringify(report)}\n` : describe(report));
  return isClean(report) ? 0 : 1;
}

/** The state alone would do; a script that trusts this command must not rest on one word of a server. */
function isClean({ state, leaks, recall, coverage }: AuditView): boolean {
  return state === "PASSED" && leaks === 0 && recall === 1 && coverage.uncovered.length === 0;
}

async function follow(api: OperatorApi, first: AuditView, probes: number, quiet: boolean): Promise<AuditView> {
  const { stderr } = process;
  let report = first;
  while (report.state === "RUNNING") {
    if (!quiet && stderr.isTTY) stderr.write(`\r\u001b[2K${barOf(report, probes)}`);
    await sleep(pollMs);
    report = await patiently(() => api.auditReport(first.id));
  }
  if (!quiet && stderr.isTTY) stderr.write("\r\u001b[2K");
  return report;
}

function barOf(report: AuditView, probes: number): string {
  const cells = Math.min(barCells, Math.floor((report.probes / probes) * barCells));
  return `[${"█".repeat(cells)}${"░".repeat(barCells - cells)}] ${report.probes} probes, ${report.leaks} leaks`;
}

function describe(report: AuditView): string {
  const { state, probes, leaks, recall, failure, coverage, surfaces, findings, startedAt, finishedAt } = report;
  const seconds = finishedAt === null ? 0 : (Date.parse(finishedAt) - Date.parse(startedAt)) / 1_000;
  const lines = [
    `${state}: ${leaks} leaks in ${probes} probes, recall ${percent(recall)}, ${coverage.covered} of ${coverage.fields} fields covered, ${seconds.toFixed(1)} s (${report.id})`,
    ...(failure === null ? [] : [`  ${failure}`]),
    ...surfaces.map((surface) => `  ${surface.name.padEnd(16)} ${String(surface.probes).padStart(8)} probes ${String(surface.leaks).padStart(5)} leaks   recall ${percent(surface.recall)}`),
    ...coverage.uncovered.map((field) => `  not covered: ${field}`),
    ...findings.map(({ surface, operation, description }) => `  LEAK ${surface}, ${operation}: ${description}`),
  ];
  return `${lines.join("\n")}\n`;
}

/** Never rounded up: 99.99 % is not all of them. */
function percent(part: number | null): string {
  return part === null ? "–" : `${Math.floor(part * 10_000) / 100} %`;
}

function probesOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const probes = Number(text);
  if (!Number.isInteger(probes) || probes < 1) throw badUserInput("--probes", JSON.stringify(text), "a whole number from 1");
  return probes;
}

try {
  process.exitCode = await main();
} catch (error) {
  process.stderr.write(`${lineOf(error).split("\n")[0]}\n`);
  if (error instanceof TypeError) process.stderr.write(`${usage}\n`);
  process.exitCode = 1;
}
