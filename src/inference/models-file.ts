import { z } from "zod";
import { badUserInput } from "../kernel/errors.js";
import type { EndpointConfig } from "./pool-endpoint.js";

/** A variable of another name could be any secret of the server, sent to whatever URL stands beside it. */
const keyVariable = /^[A-Z][A-Z0-9_]*_API_KEY$/u;

/** One line at start shows what was got; a whole entry would fill the screen. */
const gotCharsMax = 120;

const count = z.int().positive();
const modelName = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._:/-]{0,99}$/u, "a model's name: 1 to 100 letters, digits or . _ : / -");
const milliseconds = z.int().min(10).max(600_000);

const endpointSchema = z.strictObject({
  name: z.string().regex(/^[a-z0-9][a-z0-9-]{0,39}$/u, "1 to 40 lower-case letters, digits or hyphens"),
  baseUrl: z.url({ protocol: /^https?$/u, error: "an http or https URL" }).refine((url) => !/^https?:\/\/[^/]*@/u.test(url), "a URL without user and password"),
  apiKeyEnv: z.string().regex(keyVariable, "the name of an environment variable that ends in _API_KEY").optional(),
  models: z.array(z.union([modelName, z.strictObject({ name: modelName, upstreamName: z.string().min(1).max(200) })])).min(1),
  priority: z.int().min(0).default(0),
  weight: count.max(1_000).default(1),
  concurrency: count.max(100_000),
  requestsPerMinute: count.optional(),
  tokensPerMinute: count.optional(),
  cacheSalt: z.boolean().default(false),
  timeouts: z.strictObject({ connectMs: milliseconds.optional(), firstByteMs: milliseconds.optional(), idleMs: milliseconds.optional() }).default({}),
});

const fileSchema = z.strictObject({
  $schema: z.string().optional(),
  models: z.array(z.strictObject({ name: modelName, kind: z.enum(["EMBEDDED", "REMOTE"]), contextTokens: z.int().min(512).max(10_000_000) })).min(1),
  endpoints: z.array(endpointSchema).default([]),
});

export interface ModelsFile {
  /** Names of the models that run in the server. */
  readonly embedded: readonly string[];
  readonly endpoints: readonly EndpointConfig[];
}

/** Names of models that come from elsewhere than the file. */
export interface OtherModels {
  /** That the server can run itself. */
  readonly embedded: readonly string[];
  /** That the environment configures. */
  readonly remote: readonly string[];
}

/**
 * Parses `tenants/models.json`. `keys` are the environment's variables that end in `_API_KEY`. Throws
 * `BAD_USER_INPUT` that names the file, the field, what was got (never a key) and what was expected.
 */
export function parseModelsFile(json: unknown, keys: Readonly<Record<string, string>>, others: OtherModels): ModelsFile {
  const parsed = fileSchema.safeParse(json);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const path = issue?.path ?? [];
    throw badUserInput(fieldOf(path), (JSON.stringify(valueAt(json, path)) ?? "nothing").slice(0, gotCharsMax), issue?.message ?? "a valid entry");
  }
  const { models, endpoints } = parsed.data;
  const configs = endpoints.map((endpoint, at) => configOf(endpoint, at, keys));
  configs.forEach(({ name }, at) => {
    if (configs.findIndex((other) => other.name === name) !== at) throw badUserInput(fieldOf(["endpoints", at, "name"]), JSON.stringify(name), "a name that no other endpoint has");
  });
  const served = new Set([...others.remote, ...configs.flatMap((config) => config.models.map(({ name }) => name))]);
  models.forEach(({ name, kind }, at) => {
    if (kind === "EMBEDDED" && !others.embedded.includes(name)) throw badUserInput(fieldOf(["models", at, "name"]), JSON.stringify(name), `one of the models that run in the server: ${others.embedded.join(", ")}`);
    if (kind === "REMOTE" && !served.has(name)) throw badUserInput(fieldOf(["models", at, "name"]), JSON.stringify(name), "a model that an endpoint or MODEL_NAME serves");
    if (kind === "EMBEDDED" && served.has(name)) throw badUserInput(fieldOf(["models", at, "kind"]), '"EMBEDDED"', "REMOTE, since an endpoint or MODEL_NAME serves the model");
  });
  return { embedded: models.filter(({ kind }) => kind === "EMBEDDED").map(({ name }) => name), endpoints: configs };
}

function configOf(endpoint: z.infer<typeof endpointSchema>, at: number, keys: Readonly<Record<string, string>>): EndpointConfig {
  const { name, baseUrl, apiKeyEnv, priority, weight, concurrency, requestsPerMinute, tokensPerMinute, cacheSalt } = endpoint;
  const { connectMs, firstByteMs, idleMs } = endpoint.timeouts;
  const apiKey = apiKeyEnv === undefined ? undefined : keys[apiKeyEnv];
  if (apiKeyEnv !== undefined && apiKey === undefined) throw badUserInput(apiKeyEnv, "nothing", `the key of the endpoint ${name}, since ${fieldOf(["endpoints", at, "apiKeyEnv"])} names this variable`);
  const models = endpoint.models.map((model) => (typeof model === "string" ? { name: model, upstreamName: model } : model));
  models.forEach((model, index) => {
    if (models.findIndex((other) => other.name === model.name) !== index) throw badUserInput(fieldOf(["endpoints", at, "models", index]), JSON.stringify(model.name), "each model once");
  });
  return {
    name,
    baseUrl,
    ...(apiKey === undefined ? {} : { apiKey }),
    models,
    priority,
    weight,
    concurrency,
    ...(requestsPerMinute === undefined ? {} : { requestsPerMinute }),
    ...(tokensPerMinute === undefined ? {} : { tokensPerMinute }),
    cacheSalt,
    timeouts: { ...(connectMs === undefined ? {} : { connectMs }), ...(firstByteMs === undefined ? {} : { firstByteMs }), ...(idleMs === undefined ? {} : { idleMs }) },
  };
}

function fieldOf(path: readonly PropertyKey[]): string {
  return ["models.json", path.map(String).join(".")].join(" ").trim();
}

function valueAt(json: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>((value, key) => (typeof value === "object" && value !== null ? (value as Record<PropertyKey, unknown>)[key] : undefined), json);
}
