/** The one list of what the environment may hold: how it is read, what is expected, and the reference that README shows. */
import { z } from "zod";

export interface VariableAbout {
  /** What the variable is for, in Markdown. */
  readonly does: string;
  /** What a person who set it wrongly needs to read; zod's own words speak of regular expressions. */
  readonly expected?: string;
  /** What happens without it, where that is no value of its own. */
  readonly without?: string;
  /** Its value is never repeated, not even in an error. */
  readonly secret?: true;
}

const about = z.registry<VariableAbout>();

const anUrl = "an http or https URL";
const key32 = "32 bytes in base64";
const httpUrl = z.url({ protocol: /^https?$/ });
const text = z.string().min(1);
const wholeNumber = (min: number, max: number) => z.coerce.number().int().min(min).max(max);
const masterKey = z.string().regex(/^[A-Za-z0-9+/_-]{43}=?$/);
const list = z.string().default("").transform((value) => value.split(",").map((entry) => entry.trim()).filter((entry) => entry !== ""));

function described<Schema extends z.ZodType>(schema: Schema, meta: VariableAbout): Schema {
  about.add(schema, meta);
  return schema;
}

export const variables = z.object({
  NODE_ENV: described(z.string().optional(), { does: "`production` needs `JWKS_URI` and `MASTER_KEY`, creates no demo tenants and prints no tokens", without: "development" }),
  HOST: described(text.default("127.0.0.1"), { does: "the address to listen on" }),
  PORT: described(wholeNumber(0, 65_535).default(4000), { does: "the port to listen on; 0 takes a free one", expected: "a whole number from 0 to 65535" }),
  CORS_ORIGINS: described(list.pipe(z.array(httpUrl)), { does: "origins of your front ends, separated by commas", expected: "origins such as https://app.example.com, separated by commas" }),
  DATA_DIR: described(text.default(".data"), { does: "folder of the development keys and the embedded database" }),
  MONGODB_URI: described(z.string().regex(/^mongodb(\+srv)?:\/\//).optional(), { does: "your deployment. See [MongoDB](#mongodb)", expected: "mongodb://… or mongodb+srv://…", without: "the embedded engine", secret: true }),
  // 9 of Atlas's 38 bytes are for this prefix and its hyphen, 26 for the tenant, 3 for the epoch.
  MONGODB_DATABASE: described(z.string().regex(/^[a-z][a-z0-9-]{0,19}$/).default("bulkhead"), { does: "prefix of the names of databases", expected: "1 to 20 lower-case letters, digits or hyphens, a letter first" }),
  SILO_CLUSTER_URIS: described(z.string().default(""), { does: "clusters for silos: `eu-1=mongodb+srv://… us-1=mongodb+srv://…`, separated by white space. See [Silos](#silos)", secret: true }),
  ATLAS_API_KEY: described(z.string().regex(/^[^\s:]+:[^\s:]+$/).optional(), { does: "`public:private`: database users are made by the Atlas Admin API. With `ATLAS_PROJECT_ID`", expected: "a public and a private key as public:private", secret: true }),
  ATLAS_PROJECT_ID: described(z.string().regex(/^[a-f0-9]{24}$/).optional(), { does: "the project of the clusters", expected: "24 hexadecimal digits in lower case" }),
  // Atlas for Government has another one.
  ATLAS_BASE_URL: described(httpUrl.default("https://cloud.mongodb.com"), { does: "where the Atlas Admin API is", expected: anUrl }),
  REDIS_URL: described(z.string().regex(/^rediss?:\/\//).optional(), { does: "limits are shared through it", expected: "redis://… or rediss://…", without: "through MongoDB, or in memory on the embedded engine", secret: true }),
  JWT_ISSUER: described(text.default("https://bulkhead.local"), { does: "`iss` of every token" }),
  JWT_AUDIENCE: described(text.default("bulkhead"), { does: "`aud` of tenants' tokens" }),
  OPERATOR_AUDIENCE: described(text.default("bulkhead-operator"), { does: "`aud` of operators' tokens; another than the tenants'" }),
  JWKS_URI: described(httpUrl.optional(), { does: "the keys of your identity provider", expected: anUrl, without: "a development key" }),
  MASTER_KEY: described(masterKey.optional(), { does: "32 bytes in base64; wraps every tenant's keys. See [Keys](#keys)", expected: key32, without: "a development key", secret: true }),
  MASTER_KEY_PREVIOUS: described(masterKey.optional(), { does: "what `MASTER_KEY` replaces, while it is being replaced", expected: key32, secret: true }),
  MODEL_BASE_URL: described(httpUrl.optional(), { does: "any OpenAI-compatible `/chat/completions`; several, with priorities, limits and keys, in `tenants/models.json` ([inference](src/inference/README.md))", expected: anUrl, without: "the embedded answerer" }),
  MODEL_API_KEY: described(text.optional(), { does: "its key. An endpoint of `tenants/models.json` names the variable of its own in `apiKeyEnv`, which ends in `_API_KEY`", secret: true }),
  MODEL_NAME: described(text.optional(), { does: "its model; needed with `MODEL_BASE_URL`" }),
  FINE_TUNING_BASE_URL: described(httpUrl.optional(), { does: "OpenAI's `/files` and `/fine_tuning/jobs`, for tenants' own adapters, at the address of an endpoint that serves the base model ([adapters](src/orchestrator/adapters/README.md))", expected: anUrl, without: "no training" }),
  FINE_TUNING_API_KEY: described(text.optional(), { does: "its key", secret: true }),
  EMBEDDING_BASE_URL: described(httpUrl.optional(), { does: "any OpenAI-compatible `/embeddings`", expected: anUrl, without: "the embedded model" }),
  EMBEDDING_API_KEY: described(text.optional(), { does: "its key", secret: true }),
  EMBEDDING_MODEL: described(text.optional(), { does: "its model; needed with `EMBEDDING_BASE_URL`" }),
  EMBEDDING_DIMENSIONS: described(wholeNumber(1, 8_192).optional(), { does: "the length of its vectors; needed with `EMBEDDING_BASE_URL`", expected: "a whole number from 1 to 8192" }),
  MOVE_OBSERVE_SECONDS: described(wholeNumber(0, 86_400).default(10), { does: "how long after its switch a move can be called back (`revertPlacementMove`); in production rather 900", expected: "a whole number of seconds from 0 to 86400" }),
  TRUSTED_DOCUMENTS: described(list, { does: "manifests of trusted documents, separated by commas: nothing else runs ([gateway](src/gateway/README.md))", without: "every document may run" }),
  DRAIN_DELAY_MS: described(wholeNumber(0, 120_000).optional(), { does: "how long a stopping server still accepts requests while `/health/ready` fails: longer than your load balancer needs to see it", expected: "a whole number of milliseconds from 0 to 120000", without: "0, and 5000 in production" }),
  AUDIT_INTERVAL_MINUTES: described(z.coerce.number().min(0).max(10_080).default(60), { does: "from one isolation audit to the next; one follows every placement move as well. 0: none begins by itself. See [Isolation audit](#isolation-audit)", expected: "minutes from 0, which is never, to 10080" }),
  AUDIT_LEAK_POLICY: described(z.enum(["fail", "alarm"]).default("fail"), { does: "what a leak that an audit has found does to `/health/ready`: `fail`, until an operator's next audit passes, or `alarm`", expected: "fail or alarm" }),
  OTEL_EXPORTER_OTLP_ENDPOINT: described(httpUrl.optional(), { does: "traces go to `/v1/traces` there, over OTLP/HTTP ([observability](src/observability/README.md))", expected: anUrl, without: "no traces" }),
  OTEL_TRACES_SAMPLER_ARG: described(z.coerce.number().min(0).max(1).default(0.1), { does: "the part of requests that are traced, 0 to 1; a caller's `traceparent` may ask for a few more", expected: "a number from 0 to 1" }),
  LOG_LEVEL: described(z.enum(["debug", "info", "warn", "error"]).default("info"), { does: "`debug`, `info`, `warn`, `error`; JSON lines on stderr", expected: "debug, info, warn or error" }),
});

export type Variables = z.infer<typeof variables>;
export type VariableName = keyof Variables;

export const variableNames = Object.keys(variables.shape) as readonly VariableName[];

export function aboutVariable(name: VariableName): VariableAbout {
  // Every entry above goes through `described`; the test of the reference would show one that does not.
  return about.get(variables.shape[name]) ?? { does: "" };
}

/** The reference as a Markdown table, in the order of the list. */
export function configurationTable(): string {
  const defaults = variables.parse({});
  const rows = variableNames.map((name) => {
    const { does, without, secret } = aboutVariable(name);
    const value = defaults[name];
    const shown = without ?? (value === undefined || String(value) === "" ? "none" : `\`${String(value)}\``);
    return `| \`${name}\` | ${shown} | ${does}${secret === true ? "; secret" : ""} |`;
  });
  return ["| variable | default | meaning |", "|---|---|---|", ...rows].join("\n");
}
