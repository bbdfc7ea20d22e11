import { resolve } from "node:path";
import { aboutVariable, variables, type VariableName, type Variables } from "./config-variables.js";
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
  /** Manifests of the documents that may run. None: every document may. */
  readonly trustedDocuments: readonly string[];
  /** How long requests are still accepted after readiness began to fail, in ms. */
  readonly drainDelayMs: number;
  /** From one isolation audit to the next, in ms. 0: none begins by itself. */
  readonly auditIntervalMs: number;
  /** What a leak that an audit has found does to `/health/ready`. */
  readonly auditLeakPolicy: "fail" | "alarm";
  /** Where traces go, and of which part of the requests. */
  readonly tracing?: { readonly endpoint: string; readonly ratio: number };
  readonly logLevel: "debug" | "info" | "warn" | "error";
}

/** The key of the Atlas Admin API, which makes database users where the database's own commands may not. */
export interface AtlasConfig {
  readonly publicKey: string;
  readonly privateKey: string;
  readonly projectId: string;
  readonly baseUrl: string;
}

/** Common load balancers ask every 2 s or so, and act on the second failure. */
const drainDelayMsInProduction = 5_000;

/** Throws `BAD_USER_INPUT` naming the variable, what was got (never a secret's value) and what was expected. */
export function parseConfig(environment: Readonly<Record<string, string | undefined>>): Config {
  // A variable set to nothing is how shells and compose files say "not set".
  const set = Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== undefined && value !== ""));
  const parsed = variables.safeParse(set);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    const name = String(issue?.path[0] ?? "environment");
    const { secret, expected = issue?.message ?? "a valid value" } = aboutVariable(name as VariableName);
    throw badUserInput(name, secret === true ? "a value of another form" : JSON.stringify(set[name] ?? null), expected);
  }
  return freezeConfig(parsed.data, modelKeysOf(set));
}

/** ATLAS_API_KEY opens every database of the project: no line of a file may send it to a model's server. */
function modelKeysOf(set: Readonly<Record<string, string | undefined>>): Readonly<Record<string, string>> {
  const keys = Object.entries(set).filter((entry): entry is [string, string] => entry[1] !== undefined && /^[A-Z][A-Z0-9_]*_API_KEY$/u.test(entry[0]) && entry[0] !== "ATLAS_API_KEY");
  return Object.freeze(Object.assign<Record<string, string>, Record<string, string>>(Object.create(null), Object.fromEntries(keys)));
}

function freezeConfig(env: Variables, modelKeys: Config["modelKeys"]): Config {
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
    trustedDocuments: Object.freeze(env.TRUSTED_DOCUMENTS),
    drainDelayMs: env.DRAIN_DELAY_MS ?? (production ? drainDelayMsInProduction : 0),
    auditIntervalMs: env.AUDIT_INTERVAL_MINUTES * 60_000,
    auditLeakPolicy: env.AUDIT_LEAK_POLICY,
    ...(env.OTEL_EXPORTER_OTLP_ENDPOINT === undefined ? {} : { tracing: Object.freeze({ endpoint: env.OTEL_EXPORTER_OTLP_ENDPOINT, ratio: env.OTEL_TRACES_SAMPLER_ARG }) }),
    logLevel: env.LOG_LEVEL,
  });
}

function atlasOf(env: Variables): Pick<Config, "atlas"> {
  const { ATLAS_API_KEY: key, ATLAS_PROJECT_ID: projectId } = env;
  if (key === undefined && projectId === undefined) return {};
  if (projectId === undefined) throw badUserInput("ATLAS_PROJECT_ID", "nothing", "the id of the clusters' project, since ATLAS_API_KEY is set");
  if (key === undefined) throw badUserInput("ATLAS_API_KEY", "nothing", "public:private, since ATLAS_PROJECT_ID is set");
  const [publicKey = "", privateKey = ""] = key.split(":");
  return { atlas: Object.freeze({ publicKey, privateKey, projectId, baseUrl: env.ATLAS_BASE_URL }) };
}

function modelOf(env: Variables): Pick<Config, "model"> {
  if (env.MODEL_BASE_URL === undefined) return {};
  if (env.MODEL_NAME === undefined) throw badUserInput("MODEL_NAME", "nothing", "the model's name, since MODEL_BASE_URL is set");
  return { model: Object.freeze({ baseUrl: env.MODEL_BASE_URL, name: env.MODEL_NAME, ...(env.MODEL_API_KEY === undefined ? {} : { apiKey: env.MODEL_API_KEY }) }) };
}

function fineTuningOf({ FINE_TUNING_BASE_URL: baseUrl, FINE_TUNING_API_KEY: apiKey }: Variables): Pick<Config, "fineTuning"> {
  return baseUrl === undefined ? {} : { fineTuning: Object.freeze({ baseUrl, ...(apiKey === undefined ? {} : { apiKey }) }) };
}

function embeddingOf(env: Variables): Pick<Config, "embedding"> {
  if (env.EMBEDDING_BASE_URL === undefined) return {};
  if (env.EMBEDDING_MODEL === undefined) throw badUserInput("EMBEDDING_MODEL", "nothing", "the model's name, since EMBEDDING_BASE_URL is set");
  if (env.EMBEDDING_DIMENSIONS === undefined) throw badUserInput("EMBEDDING_DIMENSIONS", "nothing", "the length of the model's vectors, since EMBEDDING_BASE_URL is set");
  return {
    embedding: Object.freeze({ baseUrl: env.EMBEDDING_BASE_URL, model: env.EMBEDDING_MODEL, dimensions: env.EMBEDDING_DIMENSIONS, ...(env.EMBEDDING_API_KEY === undefined ? {} : { apiKey: env.EMBEDDING_API_KEY }) }),
  };
}
