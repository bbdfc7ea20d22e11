/** Many probes in one audit: `PROOF_AUDIT_PROBES`, 100,000 by default. Prints the rate. */
import { expect, test } from "vitest";
import { TestServer, until } from "../acceptance/server.js";

const probes = Number(process.env["PROOF_AUDIT_PROBES"] ?? 100_000);
const msMax = 20 * 60_000;

test(`${probes} probes find no leak, and every canary is found by its owner`, async () => {
  const server = await TestServer.start();
  try {
    const begun = await server.must("operator", "mutation ($probes: Int) { runIsolationAudit(input: { probes: $probes }) { report { id } } }", { probes });
    const report = await until(async () => {
      const { isolationReport } = await server.must("operator", "query ($id: ID) { isolationReport(id: $id) { state probes leaks recall failure startedAt finishedAt coverage { fields covered uncovered } findings { surface operation description } } }", { id: begun["runIsolationAudit"]?.["report"]?.["id"] });
      return String(isolationReport?.["state"]) === "RUNNING" ? undefined : isolationReport;
    }, msMax);
    const seconds = (Date.parse(String(report["finishedAt"])) - Date.parse(String(report["startedAt"]))) / 1_000;
    process.stdout.write(`${String(report["probes"])} probes in ${seconds.toFixed(1)} s: ${Math.round(Number(report["probes"]) / seconds)} a second, ${String(report["leaks"])} leaks, recall ${String(report["recall"])}\n`);
    expect(report).toMatchObject({ state: "PASSED", leaks: 0, recall: 1, failure: null, findings: [], coverage: { uncovered: [] } });
    expect(Number(report["probes"])).toBeGreaterThanOrEqual(probes);
  } finally {
    await server.stop();
  }
}, msMax + 60_000);
