import { mkdtemp, readdir, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { loadOrCreateDevelopmentKey, signDevelopmentToken } from "../../src/gateway/development-key.js";
import { TokenVerifier } from "../../src/gateway/token-verifier.js";
import { RecordingTelemetry, rules } from "./harness.js";

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "bulkhead-key-"));
});
afterEach(() => rm(directory, { recursive: true }));

test("eight processes that start at once end up with one key, readable by its owner alone", async () => {
  const keys = await Promise.all(Array.from({ length: 8 }, () => loadOrCreateDevelopmentKey(join(directory, "data"))));
  expect(new Set(keys.map(({ publicJwk }) => publicJwk.kid)).size).toBe(1);
  expect(await readdir(join(directory, "data"))).toEqual(["development-key.json"]);
  expect((await stat(join(directory, "data", "development-key.json"))).mode & 0o777).toBe(0o600);
  for (const { publicJwk } of keys) expect(publicJwk.d).toBeUndefined();
});

test("its tokens are verified as those of an issuer, for tenants and operators", async () => {
  const key = await loadOrCreateDevelopmentKey(directory);
  const verifier = new TokenVerifier(rules, { kind: "DEVELOPMENT", publicJwk: key.publicJwk }, new RecordingTelemetry());
  const common = { issuer: rules.issuer, userId: "demo", ttlSeconds: 60 };
  const tenant = await signDevelopmentToken(key, { ...common, audience: rules.audience, subject: { kind: "TENANT", tenantId: "acme", roles: ["admin"], tier: "PRO" } });
  expect(await verifier.verify(tenant)).toMatchObject({ kind: "TENANT", tenantId: "acme", userId: "demo", roles: ["admin"] });
  const operator = await signDevelopmentToken(key, { ...common, audience: rules.operatorAudience, subject: { kind: "OPERATOR" } });
  expect(await verifier.verify(operator)).toMatchObject({ kind: "OPERATOR", userId: "demo" });
  await expect(signDevelopmentToken(key, { ...common, audience: rules.audience, subject: { kind: "TENANT", tenantId: "ACME", roles: [] } })).rejects.toMatchObject({ code: "BAD_USER_INPUT" });
});
