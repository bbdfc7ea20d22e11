import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parse, validate } from "graphql";
import { describe, expect, test } from "vitest";
import { variableNames } from "../../src/config-variables.js";
import { buildGuardedSchema } from "../../src/graphql/build-schema.js";
import { ProcessTelemetry } from "../../src/observability/telemetry.js";

const root = fileURLToPath(new URL("../../", import.meta.url));
const read = (name: string): string => readFileSync(join(root, name), "utf8");

/** Every series the code can make, under the names `/metrics` gives them. */
async function exposedNames(): Promise<ReadonlySet<string>> {
  const { text } = await new ProcessTelemetry("error", { write: () => undefined }).metrics();
  const names = new Set([...text.matchAll(/^# TYPE (\S+)/gmu)].map(([, name = ""]) => name));
  const sources = readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".ts")).map((file) => read(join("src", file)));
  for (const [, kind, name = ""] of sources.join("\n").matchAll(/\b(count|observe)\("([a-z_]+)"/gu)) {
    if (kind === "count") names.add(`bulkhead_${name}${name.endsWith("_total") ? "" : "_total"}`);
    else for (const part of ["bucket", "sum", "count"]) names.add(`bulkhead_${name}_${part}`);
  }
  return names;
}

describe("what is watched", () => {
  test.each(["scripts/ops/alerts.yaml", "scripts/ops/dashboard.json"])("%s asks for metrics that the server has, and for no other", async (file) => {
    const exposed = await exposedNames();
    const asked = [...new Set(read(file).match(/\bbulkhead_[a-z0-9_]+/gu))];
    expect(asked.length).toBeGreaterThan(8);
    expect(asked.filter((name) => !exposed.has(name))).toEqual([]);
  });

  test("every alarm that rules name is one the code can raise", () => {
    const raised = new Set([...read("src/kernel/telemetry.ts").matchAll(/^ {2}\| "([a-z_]+)"/gmu)].map(([, name = ""]) => name));
    const named = [...read("scripts/ops/alerts.yaml").matchAll(/bulkhead_alarms_total\{name=~?"([a-z_|]+)"/gu)].flatMap(([, names = ""]) => names.split("|"));
    expect(named.length).toBeGreaterThan(4);
    expect(named.filter((name) => !raised.has(name))).toEqual([]);
  });

  test("rules cover what must wake or call a person", () => {
    const rules = [...read("scripts/ops/alerts.yaml").matchAll(/- alert: (\w+)/gu)].map(([, name]) => name);
    expect(rules).toEqual(expect.arrayContaining(["IsolationLeak", "IsolationAuditOverdue", "NotReady", "Overloaded", "QueueWait", "TenantRefused", "BudgetNearlySpent", "LedgerWriteFailed", "EventLoopLag", "EndpointCircuitOpen"]));
  });
});

test("what the runbook asks of the server is sound GraphQL", () => {
  const { schema } = buildGuardedSchema();
  const asked = [...read("scripts/ops/runbook.md").matchAll(/```graphql\n([^]*?)```/gu)].map(([, text = ""]) => text);
  expect(asked).toHaveLength(2);
  for (const text of asked) expect(validate(schema, parse(text))).toEqual([]);
});

describe("the deployment", () => {
  const compose = read("compose.yaml");

  test("sets variables that the server knows", () => {
    const block = /environment: &environment\n((?: {4}\S.*\n)+)/u.exec(compose)?.[1] ?? "";
    const set = [...block.matchAll(/^ {4}([A-Z_]+):/gmu)].map(([, name = ""]) => name);
    expect(set.length).toBeGreaterThan(8);
    expect(set.filter((name) => !(variableNames as readonly string[]).includes(name))).toEqual([]);
  });

  test("gives a server longer to stop than its drain takes, and its proxy less to notice", () => {
    const seconds = Number(/stop_grace_period: (\d+)s/u.exec(compose)?.[1]);
    const delayMs = Number(/DRAIN_DELAY_MS: "(\d+)"/u.exec(compose)?.[1]);
    const caddy = read("scripts/ops/Caddyfile");
    const [interval, fails] = [/health_interval (\d+)s/u, /health_fails (\d+)/u].map((pattern) => Number(pattern.exec(caddy)?.[1]));
    expect(seconds * 1_000).toBeGreaterThan(delayMs + 10_000);
    expect(delayMs).toBeGreaterThan((interval ?? NaN) * (fails ?? NaN) * 1_000);
  });

  test("holds no secret, and its proxy knows both servers", () => {
    expect(compose).not.toMatch(/(?:MASTER_KEY|API_KEY)(?:_PREVIOUS)?: (?!\$\{)/u);
    for (const server of compose.match(/^ {2}server-\d/gmu) ?? []) expect(read("scripts/ops/Caddyfile")).toContain(`${server.trim()}:4000`);
  });

  test("runs as another user than root, from files that are in the repository", () => {
    const dockerfile = read("Dockerfile");
    expect(dockerfile).toMatch(/^USER node$/mu);
    for (const [, file = ""] of dockerfile.matchAll(/^COPY (schema|tenants|package\.json) /gmu)) expect(existsSync(join(root, file))).toBe(true);
  });
});
