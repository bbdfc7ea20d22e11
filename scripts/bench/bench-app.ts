/** The whole server for benchmarks, as `npm start` composes it: limits counted and out of reach, models at the address that is given. */
import { cpSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { startApp } from "../../src/app.js";
import { parseConfig } from "../../src/config.js";
import { loadOrCreateDevelopmentKey, signDevelopmentToken } from "../../src/gateway/development-key.js";
import { internal } from "../../src/kernel/errors.js";

export interface BenchApp {
  readonly url: string;
  readonly dataDir: string;
  readonly tokens: Readonly<Record<string, string>>;
}

const outOfReach = 1_000_000_000_000;
const everyLimit = { requestsPerMinute: outOfReach, tokensPerMinute: outOfReach, budgetDayMicroUsd: outOfReach, budgetMonthMicroUsd: outOfReach, concurrentCalls: outOfReach };

/** With tenants of the tier PRO by these names, and without a document. `slots`: calls that the model takes at once. */
export async function startBenchApp(modelUrl: string, tenants: readonly string[], slots: number, logLevel: "info" | "warn" = "warn"): Promise<BenchApp> {
  const dataDir = mkdtempSync(join(tmpdir(), "bulkhead-bench-"));
  const tenantsFolder = join(dataDir, "tenants");
  mkdirSync(tenantsFolder);
  const repository = fileURLToPath(new URL("../../tenants", import.meta.url));
  cpSync(join(repository, "prices.json"), join(tenantsFolder, "prices.json"));
  const tiers = JSON.parse(readFileSync(join(repository, "tiers.json"), "utf8")) as { PRO: object };
  writeFileSync(join(tenantsFolder, "tiers.json"), JSON.stringify({ ...tiers, PRO: { ...tiers.PRO, ...everyLimit } }));
  writeFileSync(join(tenantsFolder, "tenants.json"), "[]");
  const model = { name: "bench-model", kind: "REMOTE", contextTokens: 8_000 };
  writeFileSync(join(tenantsFolder, "models.json"), JSON.stringify({ models: [model], endpoints: [{ name: "bench", baseUrl: modelUrl, models: [model.name], concurrency: slots }] }));
  const models = { EMBEDDING_BASE_URL: modelUrl, EMBEDDING_MODEL: "bench-embedding", EMBEDDING_DIMENSIONS: "512" };
  const { url } = await startApp(parseConfig({ DATA_DIR: dataDir, PORT: "0", LOG_LEVEL: logLevel, ...models }), () => {}, { tenantsFolder });
  const key = await loadOrCreateDevelopmentKey(dataDir);
  const common = { issuer: "https://bulkhead.local", ttlSeconds: 3_600 };
  const operator = await signDevelopmentToken(key, { ...common, audience: "bulkhead-operator", userId: "operator", subject: { kind: "OPERATOR" } });
  const tokens: Record<string, string> = {};
  for (const tenantId of tenants) {
    await createTenant(url, operator, tenantId);
    tokens[tenantId] = await signDevelopmentToken(key, { ...common, audience: "bulkhead", userId: "anna", subject: { kind: "TENANT", tenantId, roles: ["member"] } });
  }
  return { url: `${url}/graphql`, dataDir, tokens };
}

async function createTenant(url: string, token: string, id: string): Promise<void> {
  const query = "mutation ($input: CreateTenantInput!) { createTenant(input: $input) { tenant { id } } }";
  const body = JSON.stringify({ query, variables: { input: { id, name: id, tier: "PRO" } } });
  const response = await fetch(`${url}/graphql`, { method: "POST", headers: { "content-type": "application/json", authorization: `Bearer ${token}` }, body });
  const answer = await response.text();
  if (!answer.includes(`"id":"${id}"`)) throw internal(`No tenant was made: ${answer}`);
}
