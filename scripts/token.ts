/** Prints a signed development token, and nothing else, on stdout. */
import { parseArgs } from "node:util";
import { parseConfig, type Config } from "../src/config.js";
import { loadOrCreateDevelopmentKey, signDevelopmentToken, type DevelopmentTokenInput } from "../src/gateway/development-key.js";
import { badUserInput, BulkheadError } from "../src/kernel/errors.js";
import { tiers } from "../src/tenancy/tier-policy.js";
import type { TenantRole } from "../src/tenancy/verified-caller.js";

const usage = `Usage: npm run token -- --tenant NAME [--role member|admin]... [--user NAME] [--tier TIER] [--ttl SECONDS]
       npm run token -- --operator [--user NAME] [--ttl SECONDS]`;

const day = 24 * 60 * 60;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      tenant: { type: "string" }, role: { type: "string", multiple: true }, operator: { type: "boolean" }, user: { type: "string" },
      tier: { type: "string" }, ttl: { type: "string", default: String(day) }, help: { type: "boolean", short: "h" },
    },
  });
  if (values.help) return void process.stdout.write(`${usage}\n`);
  const config = parseConfig(process.env);
  if (config.production || config.jwt.jwksUri !== undefined) throw badUserInput("JWKS_URI", "a key source of your own", "none, since only the development key signs here");
  const input: DevelopmentTokenInput = {
    issuer: config.jwt.issuer,
    ttlSeconds: parseTtl(values.ttl),
    userId: values.user ?? (values.operator ? "operator" : "demo"),
    ...(values.operator ? operatorSubject(config, values.tenant) : tenantSubject(config, values)),
  };
  process.stdout.write(`${await signDevelopmentToken(await loadOrCreateDevelopmentKey(config.dataDir), input)}\n`);
}

function operatorSubject(config: Config, tenant: string | undefined): Pick<DevelopmentTokenInput, "audience" | "subject"> {
  if (tenant !== undefined) throw badUserInput("--tenant", tenant, "no tenant in an operator's token");
  return { audience: config.jwt.operatorAudience, subject: { kind: "OPERATOR" } };
}

function tenantSubject(config: Config, values: { tenant?: string; role?: string[]; tier?: string }): Pick<DevelopmentTokenInput, "audience" | "subject"> {
  if (values.tenant === undefined) throw badUserInput("--tenant", "nothing", "a tenant's name, or --operator");
  const tier = tiers.find((known) => known === values.tier?.toUpperCase());
  if (values.tier !== undefined && tier === undefined) throw badUserInput("--tier", values.tier, tiers.join(", "));
  const roles = (values.role ?? ["member"]).flatMap((role) => role.split(",")).map(parseRole);
  return { audience: config.jwt.audience, subject: { kind: "TENANT", tenantId: values.tenant, roles, ...(tier === undefined ? {} : { tier }) } };
}

function parseRole(role: string): TenantRole {
  if (role === "member" || role === "admin") return role;
  throw badUserInput("--role", role, "member or admin; for the platform's role use --operator");
}

function parseTtl(text: string): number {
  const seconds = Number(text);
  if (!Number.isInteger(seconds) || seconds < 1) throw badUserInput("--ttl", text, "a whole number of seconds");
  return seconds;
}

try {
  await main();
} catch (error) {
  const expected = error instanceof BulkheadError || (error instanceof TypeError && "code" in error);
  process.stderr.write(expected ? `${error.message}\n${usage}\n` : `${String(error)}\n`);
  process.exitCode = 1;
}
