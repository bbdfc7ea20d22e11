/** A whole server from the copy of the source. For each name it is sent it audits itself with that mutant, and then without, on the same data. */
import { createInterface } from "node:readline";
import { internal } from "../../../src/kernel/errors.js";
import { TestServer, until, type Json } from "../../acceptance/server.js";
import { startStubEmbeddingServer } from "../../support/stub-embedding-server.js";

// A model in the process would take most of the time, and says nothing about filters.
const embeddings = await startStubEmbeddingServer();
const environment = { LOG_LEVEL: "error", ...embeddings.environment };
let server = await TestServer.start(environment);

async function audit(probes: number): Promise<Json> {
  const begun = await server.must("operator", "mutation ($probes: Int) { runIsolationAudit(input: { probes: $probes }) { report { id } } }", { probes });
  const id = begun["runIsolationAudit"]?.["report"]?.["id"];
  return until(async () => {
    const { isolationReport } = await server.must("operator", "query ($id: ID) { isolationReport(id: $id) { state failure findings { surface operation description } } }", { id });
    return String(isolationReport?.["state"]) === "RUNNING" ? undefined : isolationReport;
  }, 100_000);
}

/** Nothing of an audit's verdict on a mutant counts unless the same server passes without it. */
async function healthy(): Promise<boolean> {
  try {
    return String((await audit(1))["state"]) === "PASSED";
  } catch {
    return false;
  }
}

async function status(): Promise<number> {
  return (await fetch(`${server.url}/health/ready`)).status;
}

/** After a leak a load balancer must take the server out; learned within the server's own next look. */
async function readiness(wanted: number): Promise<number> {
  return until(async () => ((await status()) === wanted ? wanted : undefined), 10_000).catch(status);
}

async function verdictOn(name: string): Promise<{ verdict: string; why: string; ready?: number }> {
  process.env["MUTANT"] = name;
  delete process.env["MUTANT_REACHED"];
  try {
    const report = await audit(1);
    const [finding] = (report["findings"] ?? []) as unknown as { surface: string; operation: string; description: string }[];
    const why = finding === undefined ? String(report["failure"]) : `${finding.surface}, ${finding.operation}: ${finding.description}`;
    const verdict = String(report["state"]);
    return verdict === "LEAKED" ? { verdict, why, ready: await readiness(503) } : { verdict, why };
  } catch (error) {
    return { verdict: "BROKEN", why: String(error).split("\n")[0] ?? "" };
  } finally {
    delete process.env["MUTANT"];
  }
}

/** A mutant that writes may have hurt the data for good: the next one begins on new data then. */
async function settle(): Promise<void> {
  if (await healthy()) return;
  await server.stop().catch(() => undefined);
  server = await TestServer.start(environment);
  if (!(await healthy())) throw internal("A new server does not pass its audit");
}

await settle();
process.stdout.write("READY\n");
for await (const name of createInterface({ input: process.stdin })) {
  const { verdict, why, ready } = await verdictOn(name);
  const reached = process.env["MUTANT_REACHED"] === name;
  process.stdout.write(`VERDICT ${JSON.stringify({ name, verdict, why, reached, ready })}\n`);
  if (verdict !== "PASSED") await settle();
}
await server.stop();
await embeddings.close();
process.exit(0);
