/** What is counted over rows: a sum shows no row, and is wrong by a neighbour's all the same. */
import type { Probe, ProbeTenant } from "../probe.js";

const dayMs = 24 * 60 * 60 * 1_000;

/**
 * No call stands in two tenants' ledgers, no pseudonym means a user of both, and the sum is over the own
 * rows alone. Up to a moment after which nothing was left running: a row that comes between two looks is no leak.
 */
export async function compareLedgers(probe: Probe, tenants: readonly ProbeTenant[], to: Date): Promise<void> {
  const input = { from: new Date(to.getTime() - dayMs).toISOString(), to: to.toISOString() };
  const ownerOf = new Map<string, string>();
  for (const { caller } of tenants) {
    const exported = await ask(probe, caller, "mutation ($input: UsageInput!) { exportUsage(input: $input) { csv rows } }", { input });
    const [, ...lines] = String(exported["csv"] ?? "").split("\r\n").filter((line) => line !== "");
    const seen = new Set(lines.flatMap((line) => line.split(",").filter((_cell, at) => at === 0 || at === 2)));
    for (const name of seen) {
      if (ownerOf.has(name)) probe.evidence.leaked("ledger", "Mutation.exportUsage", `A row or a pseudonym of ${ownerOf.get(name)} is in the ledger of ${caller.tenantId}`);
      ownerOf.set(name, caller.tenantId);
    }
    probe.evidence.probed("ledger", lines.length);
    probe.evidence.covered("Mutation.exportUsage");
    for (const groupBy of ["MODEL", "USER"]) {
      const usage = await ask(probe, caller, "query ($input: UsageInput) { usage(input: $input) { groups { key } total { calls } } }", { input: { ...input, groupBy } });
      const { calls } = (usage["total"] ?? {}) as { readonly calls?: number };
      if (calls !== lines.length) probe.evidence.leaked("ledger", `Query.usage(${groupBy})`, `${caller.tenantId} has ${lines.length} calls, and ${String(calls)} were summed`);
      probe.evidence.probed("ledger");
    }
  }
}

/**
 * The probe tenants' documents are alike word for word but for the canaries, so a common word weighs
 * the same in each: a score that took a neighbour's passages into its statistics would differ.
 */
export async function compareStatistics(probe: Probe, tenants: readonly ProbeTenant[]): Promise<void> {
  const scores: string[] = [];
  for (const { caller } of tenants) {
    const found = await ask(probe, caller, 'query { search(input: { query: "opening hours of the vault", mode: TEXT, first: 10 }) { hits { textScore } } }', {});
    const hits = (found["hits"] ?? []) as readonly { readonly textScore: number | null }[];
    scores.push(hits.map(({ textScore }) => (textScore ?? 0).toFixed(6)).join(" "));
    probe.evidence.probed("statistics");
  }
  if (new Set(scores).size > 1) probe.evidence.leaked("statistics", "Query.search(TEXT)", `Equal documents have other scores in another tenant: ${scores.join(" / ")}`);
}

async function ask(probe: Probe, caller: ProbeTenant["caller"], text: string, variables: Readonly<Record<string, unknown>>): Promise<Readonly<Record<string, unknown>>> {
  const answer = await probe.run(caller, { document: probe.documents.parse(text), variables }, "sums", text.slice(0, 60));
  return (Object.values(answer.data ?? {})[0] ?? {}) as Readonly<Record<string, unknown>>;
}
