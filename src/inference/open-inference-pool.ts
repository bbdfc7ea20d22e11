import type { Telemetry } from "../kernel/telemetry.js";
import { EmbeddedExtractive, extractiveModel } from "./embedded-extractive.js";
import { EndpointGroup } from "./endpoint-group.js";
import type { StreamTimeouts } from "./frame-stream.js";
import { InferencePool, slotsDefault } from "./inference-pool.js";
import { parseModelsFile } from "./models-file.js";
import { OpenAiChat } from "./openai-chat.js";
import { PoolEndpoint, type EndpointConfig } from "./pool-endpoint.js";
import type { TokenCounter } from "./token-counter.js";

export interface PoolSources {
  /** `tenants/models.json`. */
  readonly file: unknown;
  /** The environment's `MODEL_BASE_URL`, `MODEL_API_KEY` and `MODEL_NAME`. */
  readonly model?: { readonly baseUrl: string; readonly apiKey?: string; readonly name: string };
  /** The environment's variables that end in `_API_KEY`. */
  readonly keys: Readonly<Record<string, string>>;
  /** The environment's `FINE_TUNING_BASE_URL`: what is trained there is served by the endpoints at the same address. */
  readonly trainerUrl?: string;
  /** For every endpoint that names none. Tests shorten them. */
  readonly timeouts?: Partial<StreamTimeouts>;
  /** What each request to an endpoint carries so that its trace goes on there. */
  readonly traceHeaders?: () => Readonly<Record<string, string>>;
  /** For the choice by weight and the wait before a retry. Tests take the chance out. */
  readonly random?: () => number;
}

/** The endpoint of the environment. It is asked first for its model, also where the file has others that serve it. */
const environmentEndpoint = "environment";

/**
 * The pool of a deployment. In order of preference: the environment's model, those of the file's
 * endpoints by priority, what runs in the server. Throws `BAD_USER_INPUT` as `parseModelsFile` does.
 */
export function openInferencePool({ file, model, keys, trainerUrl, timeouts = {}, traceHeaders, random }: PoolSources, counter: TokenCounter, telemetry: Telemetry): InferencePool {
  const { embedded, endpoints } = parseModelsFile(file, keys, { embedded: [extractiveModel], remote: model === undefined ? [] : [model.name] });
  const configs = [...(model === undefined ? [] : [configOf(model)]), ...endpoints.toSorted((a, b) => a.priority - b.priority)];
  const groups = groupByModels(configs.map((config) => ({ ...config, trains: trainerUrl !== undefined && withoutSlash(config.baseUrl) === withoutSlash(trainerUrl) }))).map((group) => new EndpointGroup(group.map((config) => openEndpoint(config, timeouts, traceHeaders, counter, telemetry)), telemetry, random));
  return new InferencePool([...groups, ...(embedded.includes(extractiveModel) ? [new EmbeddedExtractive(counter)] : [])]);
}

function withoutSlash(url: string): string {
  return url.replace(/\/+$/u, "");
}

function configOf({ baseUrl, apiKey, name }: NonNullable<PoolSources["model"]>): EndpointConfig {
  return {
    name: environmentEndpoint,
    baseUrl,
    ...(apiKey === undefined ? {} : { apiKey }),
    models: [{ name, upstreamName: name }],
    priority: 0,
    weight: 1,
    concurrency: slotsDefault,
    cacheSalt: false,
    timeouts: {},
  };
}

function openEndpoint(config: EndpointConfig, timeouts: Partial<StreamTimeouts>, traceHeaders: PoolSources["traceHeaders"], counter: TokenCounter, telemetry: Telemetry): PoolEndpoint {
  const { baseUrl, apiKey, cacheSalt, models } = config;
  const options = { baseUrl, ...(apiKey === undefined ? {} : { apiKey }), ...(traceHeaders === undefined ? {} : { traceHeaders }), cacheSalt, models: models.map(({ upstreamName }) => upstreamName), timeouts: { ...timeouts, ...config.timeouts } };
  return new PoolEndpoint(config, new OpenAiChat(options, counter), telemetry);
}

/** Connected by the models they share: a call for one of these models can need any of these places, so one line stands in front of all. */
export function groupByModels(configs: readonly EndpointConfig[]): readonly (readonly EndpointConfig[])[] {
  const groups: EndpointConfig[][] = [];
  for (const config of configs) {
    const names = new Set(config.models.map(({ name }) => name));
    const connected = groups.filter((group) => group.some((other) => other.models.some(({ name }) => names.has(name))));
    const [first, ...others] = connected;
    if (first === undefined) {
      groups.push([config]);
      continue;
    }
    first.push(...others.flat(), config);
    for (const other of others) groups.splice(groups.indexOf(other), 1);
  }
  return groups;
}
