import { resolve } from "node:path";
import { z } from "zod";
import { badUserInput } from "./kernel/errors.js";
import { parseClusterUris, type ClusterAddress } from "./storage/silos/parse-cluster-uris.js";

/** Everything the process takes from its environment, parsed once, frozen, and passed in. */
export interface Config {
  readonly production: boolean;
  readonly host: string;
  readonly port: number;
  readonly corsOrigins: readonly string[];
  readonly dataDir: string;
  readonly mongodb: { readonly uri?: string; readonly databasePrefix: string };
  /** Clusters for silos, beside the main deployment. */
  readonly siloClusters: readonly ClusterAddress[];
  readonly atlas?: AtlasConfig;
  readonly redisUrl?: string;
  readonly jwt: { readonly issuer: string; readonly audience: string; readonly operatorAudience: string; readonly jwksUri?: string };
  readonly masterKey?: Buffer;
  /** What `masterKey` replaces, for as long as tenants' keys may still be wrapped by it. */
  readonly masterKeyPrevious?: Buffer;
  readonly model?: { readonly baseUrl: string; readonly apiKey?: string; readonly name: string };
  /** Where adapters are trained. Left out: none are. */
  readonly fineTuning?: { readonly baseUrl: string; readonly apiKey?: string };
  /** The variables that `apiKeyEnv` of `tenants/models.json` may name: those that end in `_API_KEY`, without the database's. */
  readonly modelKeys: Readonly<Record<string, string>>;
  readonly embedding?: { readonly baseUrl: string; readonly apiKey?: string; readonly model: string; readonly dimensions: number };
  /** How long after a switch a placement move can be called back, in ms. */
  readonly moveObserveMs: number;
  readonly logLevel: "debug" | "info" | "warn" | "error";
  /** Variables of the public surface that this version reads but does not act on yet, to be said aloud at start. */
  readonly notYetServed: readonly string[];
}

/** The key of the Atlas Admin API, which makes database users where the database's own commands may not. */
export interface AtlasConfig {
  readonly publicKey: string;
  readonly privateKey: string;
  readonly projectId: string;
  readonly baseUrl: string;
}

const httpUrl = z.url({ protocol: /^https?$/ });
const text = z.string().min(1);

const variables = z.object({
  NODE_ENV: z.string().optional(),
  HOST: text.default("127.0.0.1"),
  PORT: z.coerce.number().int().min(0).max(65_535).default(4000),
  CORS_ORIGINS: z.string().default("").transform((list) => list.split(",").map((origin) => origin.trim()).filter((origin) => origin !== "")).pipe(z.array(httpUrl)),
  DATA_DIR: text.default(".data"),
  MONGODB_URI: z.string().regex(/^mongodb(\+srv)?:\/\//).optional(),
  // 9 of Atlas's 38 bytes are for this prefix and its hyphen, 26 for the tenant, 3 for the epoch.
  MONGODB_DATABASE: z.string().regex(/^[a-z][a-z0-9-]{0,19}$/).default("bulkhead"),
  SILO_CLUSTER_URIS: z.string().default(""),
  ATLAS_API_KEY: z.string().regex(/^[^\s:]+:[^\s:]+$/).optional(),
  ATLAS_PROJECT_ID: z.string().regex(/^[a-f0-9]{24}$/).optional(),
  // Atlas for Government has another one.
  ATLAS_BASE_URL: httpUrl.default("https://cloud.mongodb.com"),
  REDIS_URL: z.string().regex(/^rediss?:\/\//).optional(),
  JWT_ISSUER: text.default("https://bulkhead.local"),
  JWT_AUDIENCE: text.default("bulkhead"),
  OPERATOR_AUDIENCE: text.default("bulkhead-operator"),
  JWKS_URI: httpUrl.optional(),
  MASTER_KEY: z.string().regex(/^[A-Za-z0-9+/_-]{43}=?$/).optional(),
  MASTER_KEY_PREVIOUS: z.string().regex(/^[A-Za-z0-9+/_-]{43}=?$/).optional(),
  MODEL_BASE_URL: httpUrl.optional(),
  MODEL_API_KEY: text.optional(),
  MODEL_NAME: text.optional(),
  FINE_TUNING_BASE_URL: httpUrl.optional(),
  FINE_TUNING_API_KEY: text.optional(),
  EMBEDDING_BASE_URL: httpUrl.optional(),
  EMBEDDING_API_KEY: text.optional(),
  EMBEDDING_MODEL: text.optional(),
  EMBEDDING_DIMENSIONS: z.coerce.number().int().min(1).max(8_192).optional(),
  MOVE_OBSERVE_SECONDS: z.coerce.number().int().min(0).max(86_400).default(10),
  LOG_LEVEL: z.enum(["debug", "info", "warn", "error"]).default("info"),
});

/** What a person who set a variable wrongly needs to read; zod's own words speak of regular expressions. */
const expectations: Partial<Record<keyof z.infer<typeof variables>, string>> = {
  PORT: "a whole number from 0 to 65535",
  CORS_ORIGINS: "origins such as https://app.example.com, separated by commas",
  MONGODB_URI: "mongodb://… or mongodb+srv://…",
  MONGODB_DATABASE: "1 to 20 lower-case letters, digits or hyphens, a letter first",
  ATLAS_API_KEY: "a public and a private key as public:private",
  ATLAS_PROJECT_ID: "24 hexadecimal digits in lower case",
  ATLAS_BASE_URL: "an http or https URL",
  REDIS_URL: "redis://… or rediss://…",
  JWKS_URI: "an http or https URL",
  MASTER_KEY: "32 bytes in base64",
  MASTER_KEY_PREVIOUS: "32 bytes in base64",
  MODEL_BASE_URL: "an http or https URL",
  FINE_TUNING_BASE_URL: "an http or https URL",
  EMBEDDING_BASE_URL: "an http or https URL",
  EMBEDDING_DIMENSIONS: "a whole number from 1 to 8192",
  MOVE_OBSERVE_SECONDS: "a whole number of seconds from 0 to 86400",
  LOG_LEVEL: "debug, info, warn or error",
};

const secrets: ReadonlySet<string> = new Set(["MASTER_KEY", "MASTER_KEY_PREVIOUS", "MODEL_API_KEY", "FINE_TUNING_API_KEY", "EMBEDDING_API_KEY", "MONGODB_URI", "REDIS_URL", "ATLAS_API_KEY"]);
const laterVariables = ["OTEL_EXPORTER_OTLP_ENDPOINT"];

/** Throws `BAD_USER_INPUT` naming the variable, what was got (never a secret's value) and what was expected. */
export function parseConfig(environment: Readonly<Record<string, string | undefined>>): Config {
  // A variable set to nothing is how shells and compose files say "not set".
  const set = Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== undefined && value !== ""));
  const parsed = variables.safeParse(set);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    const name = String(issue?.path[0] ?? "environment");
    const expected = expectations[name as keyof typeof expectations] ?? issue?.message ?? "a valid value";
    throw badUserInput(name, secrets.has(name) ? "a value of another form" : JSON.stringify(set[name] ?? null), expected);
  }
  return freezeConfig(parsed.data, modelKeysOf(set), laterVariables.filter((name) => set[name] !== undefined));
}

/** ATLAS_API_KEY opens every database of the project: no line of a file may send it to a model's server. */
function modelKeysOf(set: Readonly<Record<string, string | undefined>>): Readonly<Record<string, string>> {
  const keys = Object.entries(set).filter((entry): entry is [string, string] => entry[1] !== undefined && /^[A-Z][A-Z0-9_]*_API_KEY$/u.test(entry[0]) && entry[0] !== "ATLAS_API_KEY");
  return Object.freeze(Object.assign<Record<string, string>, Record<string, string>>(Object.create(null), Object.fromEntries(keys)));
}

function freezeConfig(env: z.infer<typeof variables>, modelKeys: Config["modelKeys"], notYetServed: readonly string[]): Config {
  const production = env.NODE_ENV === "production";
  if (production && env.JWKS_URI === undefined) throw badUserInput("JWKS_URI", "nothing", "the URL of your issuer's keys, since NODE_ENV is production");
  if (production && env.MASTER_KEY === undefined) throw badUserInput("MASTER_KEY", "nothing", "32 bytes in base64, since NODE_ENV is production");
  if (env.OPERATOR_AUDIENCE === env.JWT_AUDIENCE) throw badUserInput("OPERATOR_AUDIENCE", "the same value as JWT_AUDIENCE", "an audience of its own");
  return Object.freeze({
    production,
    host: env.HOST,
    port: env.PORT,
    corsOrigins: Object.freeze(env.CORS_ORIGINS),
    dataDir: resolve(env.DATA_DIR),
    mongodb: Object.freeze({ ...(env.MONGODB_URI === undefined ? {} : { uri: env.MONGODB_URI }), databasePrefix: env.MONGODB_DATABASE }),
    siloClusters: parseClusterUris(env.SILO_CLUSTER_URIS),
    ...atlasOf(env),
    ...(env.REDIS_URL === undefined ? {} : { redisUrl: env.REDIS_URL }),
    jwt: Object.freeze({ issuer: env.JWT_ISSUER, audience: env.JWT_AUDIENCE, operatorAudience: env.OPERATOR_AUDIENCE, ...(env.JWKS_URI === undefined ? {} : { jwksUri: env.JWKS_URI }) }),
    ...(env.MASTER_KEY === undefined ? {} : { masterKey: Buffer.from(env.MASTER_KEY, "base64") }),
    ...(env.MASTER_KEY_PREVIOUS === undefined ? {} : { masterKeyPrevious: Buffer.from(env.MASTER_KEY_PREVIOUS, "base64") }),
    ...modelOf(env),
    ...fineTuningOf(env),
    modelKeys,
    ...embeddingOf(env),
    moveObserveMs: env.MOVE_OBSERVE_SECONDS * 1_000,
    logLevel: env.LOG_LEVEL,
    notYetServed: Object.freeze(notYetServed),
  });
}

function atlasOf(env: z.infer<typeof variables>): Pick<Config, "atlas"> {
  const { ATLAS_API_KEY: key, ATLAS_PROJECT_ID: projectId } = env;
  if (key === undefined && projectId === undefined) return {};
  if (projectId === undefined) throw badUserInput("ATLAS_PROJECT_ID", "nothing", "the id of the clusters' project, since ATLAS_API_KEY is set");
  if (key === undefined) throw badUserInput("ATLAS_API_KEY", "nothing", "public:private, since ATLAS_PROJECT_ID is set");
  const [publicKey = "", privateKey = ""] = key.split(":");
  return { atlas: Object.freeze({ publicKey, privateKey, projectId, baseUrl: env.ATLAS_BASE_URL }) };
}

function modelOf(env: z.infer<typeof variables>): Pick<Config, "model"> {
  if (env.MODEL_BASE_URL === undefined) return {};
  if (env.MODEL_NAME === undefined) throw badUserInput("MODEL_NAME", "nothing", "the model's name, since MODEL_BASE_URL is set");
  return { model: Object.freeze({ baseUrl: env.MODEL_BASE_URL, name: env.MODEL_NAME, ...(env.MODEL_API_KEY === undefined ? {} : { apiKey: env.MODEL_API_KEY }) }) };
}

function fineTuningOf({ FINE_TUNING_BASE_URL: baseUrl, FINE_TUNING_API_KEY: apiKey }: z.infer<typeof variables>): Pick<Config, "fineTuning"> {
  return baseUrl === undefined ? {} : { fineTuning: Object.freeze({ baseUrl, ...(apiKey === undefined ? {} : { apiKey }) }) };
}

function embeddingOf(env: z.infer<typeof variables>): Pick<Config, "embedding"> {
  if (env.EMBEDDING_BASE_URL === undefined) return {};
  if (env.EMBEDDING_MODEL === undefined) throw badUserInput("EMBEDDING_MODEL", "nothing", "the model's name, since EMBEDDING_BASE_URL is set");
  if (env.EMBEDDING_DIMENSIONS === undefined) throw badUserInput("EMBEDDING_DIMENSIONS", "nothing", "the length of the model's vectors, since EMBEDDING_BASE_URL is set");
  return {
    embedding: Object.freeze({ baseUrl: env.EMBEDDING_BASE_URL, model: env.EMBEDDING_MODEL, dimensions: env.EMBEDDING_DIMENSIONS, ...(env.EMBEDDING_API_KEY === undefined ? {} : { apiKey: env.EMBEDDING_API_KEY }) }),
  };
}
