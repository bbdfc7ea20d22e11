/**
 * The audit is itself tested: for every driver call of a tenant in `src/storage` a mutant of it that has
 * lost its tenant, found from the source, so that their number is that of the calls. The suite that
 * watches the driver drives each of them and refuses what each would send, all in one run. The audit
 * of a running server then has them one at a time: what it finds is printed beside.
 *
 * `PROOF_MUTANT_STRIDE=1` audits all; every seventh by default, another one each day.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { internal } from "../../src/kernel/errors.js";
import { MutantTree, listCalls } from "../audit/mutants/mutant-tree.js";
import { nameOfCall } from "../audit/mutants/driver-calls.js";

const repository = resolve(import.meta.dirname, "../..");
const dayMs = 86_400_000;
const stride = Number(process.env["PROOF_MUTANT_STRIDE"] ?? 7);
/** The audits of a mutant and of the server without it, on a busy machine. */
const verdictMsMax = 240_000;
const suiteMsMax = 240_000;

interface Verdict {
  readonly name: string;
  readonly verdict: string;
  readonly why: string;
  readonly reached: boolean;
  /** What `/health/ready` answered after a leak. */
  readonly ready?: number;
}

const calls = listCalls(repository);
const names = calls.tenant.map(nameOfCall);
const chosen = names.filter((_name, at) => at % stride === Math.floor(Date.now() / dayMs) % stride);

describe("every driver call of src/storage", () => {
  test("carries a tenant, or is listed with the reason why it does not; no reason is stale", () => {
    expect(calls.stale).toEqual([]);
    expect(new Set(names).size).toBe(names.length);
    expect(names.length).toBeGreaterThan(80);
  });
});

describe("a driver call without its tenant", () => {
  let tree: MutantTree;
  let server: AuditedServer;
  const table: (Verdict & { by: string })[] = [];

  beforeAll(async () => {
    tree = MutantTree.make(repository);
    server = await AuditedServer.start(tree.root);
  }, 180_000);
  afterAll(async () => {
    await server.stop();
    tree.remove();
    process.stdout.write(`${table.map(({ name, by, why }) => `${by.padEnd(24)} ${name}\n${" ".repeat(25)}${why.slice(0, 160)}`).join("\n")}\n`);
  });

  let watched: string | undefined = "the suite did not end";

  test("is driven and refused by the suite that watches the driver, each of them", async () => {
    watched = await firstFailure(tree.root, "each", ["test/isolation/tenant-in-every-command.test.ts"]);
    expect(watched).toBeUndefined();
  }, suiteMsMax);

  test.each(chosen)("is caught: %s", async (name) => {
    const audited = await server.audit(name);
    const survived = audited.verdict === "PASSED";
    table.push({ ...audited, by: survived ? "suite" : `audit ${audited.verdict}`, why: survived ? "the audit passed" : audited.why });
    if (audited.verdict === "LEAKED") expect(audited.ready, "a server that leaks is not ready").toBe(503);
    if (survived) expect(watched, `${name} survived the audit, and the suite does not stand`).toBeUndefined();
  }, verdictMsMax);
});

/** One server for all mutants: it switches from one to the next by name. */
class AuditedServer {
  private constructor(private readonly child: ReturnType<typeof spawn>, private readonly lines: AsyncIterator<string>) {}

  static async start(root: string): Promise<AuditedServer> {
    const child = spawn(process.execPath, ["--import", "tsx", "test/audit/mutants/audit-worker.ts"], { cwd: root, stdio: ["pipe", "pipe", "inherit"] });
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const server = new AuditedServer(child, lines);
    await server.#line("READY");
    return server;
  }

  async audit(name: string): Promise<Verdict> {
    this.child.stdin?.write(`${name}\n`);
    return JSON.parse((await this.#line("VERDICT ")).slice("VERDICT ".length)) as Verdict;
  }

  async stop(): Promise<void> {
    if (this.child.exitCode !== null) return;
    const ended = once(this.child, "exit");
    this.child.kill("SIGKILL");
    await ended;
  }

  async #line(prefix: string): Promise<string> {
    for (;;) {
      const { value, done } = await this.lines.next();
      if (done === true) throw internal("The audited server ended");
      if (value.startsWith(prefix)) return value;
    }
  }
}

/** Which suite of the copy fails with the mutant; undefined when all of them pass. */
async function firstFailure(root: string, name: string, suites: readonly string[]): Promise<string | undefined> {
  const child = spawn(process.execPath, ["node_modules/vitest/vitest.mjs", "run", "--config", "test/audit/mutants/vitest.config.ts", "--bail", "1", "--reporter", "json", ...suites], { cwd: root, env: { ...process.env, MUTANT: name }, stdio: ["ignore", "pipe", "ignore"] });
  let out = "";
  child.stdout.on("data", (part: Buffer) => (out += part.toString()));
  await once(child, "close");
  const { numTotalTests, testResults } = JSON.parse(out.slice(out.indexOf("{"))) as { numTotalTests: number; testResults: { name: string; assertionResults: { status: string; fullName: string }[]; status: string }[] };
  // A suite that was not found would pass for one that has failed.
  expect(numTotalTests).toBeGreaterThan(0);
  return testResults.flatMap(({ name: file, status, assertionResults }) => {
    const failed = assertionResults.find((result) => result.status === "failed");
    return status === "failed" ? [`${file.slice(root.length + 1)}: ${failed?.fullName ?? "did not start"}`] : [];
  })[0];
}
