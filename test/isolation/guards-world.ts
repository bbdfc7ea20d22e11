/** Two tenants whose guards are off, one beside the other, and one with the guards as they come. */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { expect } from "vitest";
import { listOf, TestServer, type As, type Json } from "../acceptance/server.js";
import { startStubModelServer, type StubModelServer } from "../support/stub-model-server.js";

const repository = resolve(import.meta.dirname, "../../tenants");
const off = Object.fromEntries(["attacks", "passages", "secretsInPrompt", "personalDataInPrompt", "secretsInAnswer", "personalDataInAnswer", "foreignTenantsInAnswer"].map((name) => [name, "ALLOW"]));
const wide = { requestsPerMinute: 10_000, tokensPerMinute: 100_000_000 };

const unguarded = { tenant: "maple" } as const;
const victim = { tenant: "globex" } as const;
export const guarded = { tenant: "rowan" } as const;
/** Stands in the victim's documents alone, in every passage. */
const codeword = "Quillfeather";
const foreign = new RegExp(codeword, "iu");
const askText = `mutation ($input: AskInput!) { ask(input: $input) {
  __typename
  ... on Answer { text replayed citations { snippet document { title } } }
  ... on Refusal { code message }
} }`;
const searchText = "query ($query: String!) { search(input: { query: $query, mode: HYBRID }) { hits { snippet document { title } } } }";

export class GuardsWorld {
  private constructor(
    readonly server: TestServer,
    readonly model: StubModelServer,
    private readonly tenants: string,
  ) {}

  /** The victim's documents hold the very words of the attacks. */
  static async open(attacks: readonly string[]): Promise<GuardsWorld> {
    const tenants = mkdtempSync(join(tmpdir(), "bulkhead-tenants-"));
    const tiers = JSON.parse(readFileSync(join(repository, "tiers.json"), "utf8")) as Record<string, object>;
    for (const [tier, policy] of Object.entries(tiers)) Object.assign(policy, wide, tier === "PRO" ? { guard: off } : {});
    cpSync(join(repository, "prices.json"), join(tenants, "prices.json"));
    writeFileSync(join(tenants, "tiers.json"), JSON.stringify(tiers));
    writeFileSync(join(tenants, "tenants.json"), "[]");
    const model = await startStubModelServer();
    const server = await TestServer.start({ MODEL_BASE_URL: model.baseUrl, MODEL_NAME: "stub" }, { tenantsFolder: tenants });
    await server.createTenant(unguarded.tenant, "PRO");
    await server.createTenant(victim.tenant, "PRO");
    await server.createTenant(guarded.tenant, "FREE");
    await server.ingest(unguarded, "Maple handbook", "# Leave\n\nThe leave policy of maple gives 31 days.");
    await server.ingest(guarded, "Rowan handbook", "# Leave\n\nThe leave policy of rowan gives 24 days.");
    const passages = attacks.filter((text) => text.length < 400).map((text, index) => `# Section ${index} ${codeword}\n\n${codeword} file ${index}: ${text.replaceAll(/[#<>\n]/g, " ")}. The salary is ${index} ${codeword}.`);
    await server.ingest(victim, `${codeword} salaries`, passages.join("\n\n"));
    return new GuardsWorld(server, model, tenants);
  }

  async close(): Promise<void> {
    await this.server.stop();
    await this.model.close();
    rmSync(this.tenants, { recursive: true, force: true });
  }

  async ask(as: As, question: string, more: object = {}): Promise<Json> {
    return (await this.server.must(as, askText, { input: { question, ...more } }))["ask"] as Json;
  }

  /** Asks and searches with every attack, and finds nothing of the victim in what comes back or in what the model is given. */
  async attack(attacks: readonly string[]): Promise<void> {
    // The victim finds it itself: were nothing found at all, nothing would be shown.
    expect(JSON.stringify(await this.ask(victim, `What is the salary in file 3 of ${codeword}?`, { model: "embedded-extractive" }))).toMatch(foreign);
    this.model.forget();
    let answered = 0;
    for (const attack of attacks) {
      for (const model of ["embedded-extractive", "stub"]) {
        const answer = await this.ask(unguarded, attack, { model, skipCache: true });
        expect(JSON.stringify(answer)).not.toMatch(foreign);
        if (String(answer["__typename"]) === "Answer") answered += 1;
      }
      const { search } = await this.server.must(unguarded, searchText, { query: attack.slice(0, 1_000) });
      expect(listOf(search?.["hits"]).length).toBeGreaterThan(0);
      expect(JSON.stringify(search)).not.toMatch(foreign);
    }
    // No guard stopped one, and what the model server was sent held nothing foreign either.
    expect(answered).toBe(2 * attacks.length);
    expect(this.model.requests).toHaveLength(attacks.length);
    expect(JSON.stringify(this.model.requests)).not.toMatch(foreign);
  }

  /** As `/metrics` tells it. */
  async checks(): Promise<{ readonly input: number; readonly output: number }> {
    const text = await (await fetch(`${this.server.url}/metrics`)).text();
    const of = (side: string): number => Number(new RegExp(`bulkhead_guard_checks_total\\{side="${side}"\\} (\\d+)`).exec(text)?.[1] ?? 0);
    return { input: of("input"), output: of("output") };
  }
}
