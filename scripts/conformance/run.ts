/*
 * `npm run conformance -- DIR [--json]`: the engine against MongoDB's unified-format test files below DIR.
 * Starts the engine in a directory of its own, runs every test through the official driver, and prints what
 * passed, what the engine refused by name, what deviates, and what was skipped because the test asks for another
 * deployment. Deviations listed in expected.json carry their reason; one that is not listed exits non-zero.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MongoClient } from "mongodb";
import { startEngine } from "../../src/embedded/start-engine.js";
import { isRefusal, messageOf, NotRunnable } from "./outcomes.js";
import { describeDeployment, unmet, type Deployment } from "./requirements.js";
import { runTest } from "./run-test.js";
import { readSpecFiles, type SpecFile, type SpecTest } from "./spec-file.js";

type Verdict = "passed" | "refused" | "deviating" | "skipped" | "notRunnable";

interface Line {
  verdict: Verdict;
  test: string;
  reason?: string;
}

/** A test that hangs is a deviation, not the end of the run; the slowest that pass take under 5 s. */
const TEST_MS_MAX = 20_000;

async function judge(file: SpecFile, test: SpecTest, deployment: Deployment, uri: string, ownClient: MongoClient): Promise<Line> {
  const name = `${file.name}: ${test.description}`;
  const reason = test.skipReason ?? unmet(file.runOnRequirements, deployment) ?? unmet(test.runOnRequirements, deployment);
  if (reason !== undefined) return { verdict: "skipped", test: name, reason };
  try {
    await withinTime(runTest(file, test, uri, ownClient));
    return { verdict: "passed", test: name };
  } catch (error) {
    const verdict = error instanceof NotRunnable ? "notRunnable" : isRefusal(error) ? "refused" : "deviating";
    return { verdict, test: name, reason: messageOf(error) };
  }
}

async function withinTime(work: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new RangeError(`Test took longer than ${TEST_MS_MAX} ms`)), TEST_MS_MAX);
  });
  await Promise.race([work, late]).finally(() => clearTimeout(timer));
}

async function runAllFiles(dir: string): Promise<Line[]> {
  const home = mkdtempSync(join(tmpdir(), "conformance-"));
  const engine = await startEngine({ dir: join(home, "data"), listen: { socketPath: join(home, "engine.sock") }, durable: false });
  const ownClient = await MongoClient.connect(engine.uri);
  const lines: Line[] = [];
  try {
    const deployment = await describeDeployment(ownClient);
    for (const file of readSpecFiles(dir)) {
      for (const test of file.tests) lines.push(await judge(file, test, deployment, engine.uri, ownClient));
    }
    return lines;
  } finally {
    await ownClient.close();
    await engine.close();
    rmSync(home, { recursive: true, force: true });
  }
}

/** Deviations known and accepted: the test's name, and why. */
function readExpected(): Readonly<Record<string, string>> {
  return JSON.parse(readFileSync(new URL("expected.json", import.meta.url), "utf8")) as Record<string, string>;
}

const TITLES: Readonly<Record<Verdict, string>> = {
  passed: "Passed",
  refused: "Refused by name",
  deviating: "Deviating",
  skipped: "Skipped: the test asks for another deployment",
  notRunnable: "Not runnable: this runner lacks what the test needs",
};

function print(lines: readonly Line[], expected: Readonly<Record<string, string>>): void {
  for (const verdict of ["passed", "refused", "deviating", "notRunnable", "skipped"] as const) {
    const group = lines.filter((line) => line.verdict === verdict);
    console.log(`\n${TITLES[verdict]} (${group.length})`);
    for (const { test, reason } of group) {
      console.log(`  ${test}${reason === undefined ? "" : `\n    ${reason}`}`);
      if (verdict === "deviating") console.log(`    ${expected[test] === undefined ? "NOT EXPECTED" : `expected: ${expected[test]}`}`);
    }
  }
}

async function main(): Promise<void> {
  const dir = process.argv.slice(2).find((argument) => !argument.startsWith("--"));
  if (dir === undefined) {
    console.error("Usage: npm run conformance -- DIR [--json]");
    process.exitCode = 2;
    return;
  }
  const expected = readExpected();
  const lines = await runAllFiles(dir);
  const count = (verdict: Verdict) => lines.filter((line) => line.verdict === verdict).length;
  const unexpected = lines.filter(({ verdict, test }) => verdict === "deviating" && expected[test] === undefined);
  const counts = { passed: count("passed"), refused: count("refused"), deviating: count("deviating"), notRunnable: count("notRunnable"), skipped: count("skipped") };
  if (process.argv.includes("--json")) console.log(JSON.stringify({ counts, unexpected: unexpected.length, lines }));
  else print(lines, expected);
  if (!process.argv.includes("--json")) console.log(`\n${JSON.stringify({ ...counts, unexpected: unexpected.length })}`);
  process.exitCode = unexpected.length === 0 ? 0 : 1;
}

await main();
