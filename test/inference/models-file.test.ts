import { readFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { parseConfig } from "../../src/config.js";
import { parseModelsFile, type ModelsFile } from "../../src/inference/models-file.js";
import { groupByModels, openInferencePool } from "../../src/inference/open-inference-pool.js";
import { silentTelemetry } from "../../src/kernel/telemetry.js";

const embedded = { name: "embedded-extractive", kind: "EMBEDDED", contextTokens: 8_000 };
const endpoint = { name: "primary", baseUrl: "https://models.example.com/v1", apiKeyEnv: "PRIMARY_API_KEY", models: ["m1"], concurrency: 4 };
const keys = { PRIMARY_API_KEY: "key-of-primary" };

function parse(file: unknown, withKeys: Record<string, string> = keys): ModelsFile {
  return parseModelsFile(file, withKeys, { embedded: ["embedded-extractive"], remote: [] });
}
const withEndpoint = (change: object): unknown => ({ models: [embedded], endpoints: [{ ...endpoint, ...change }] });

describe("models.json", () => {
  it("of the repository is served as it is", async () => {
    const file: unknown = JSON.parse(await readFile(new URL("../../tenants/models.json", import.meta.url), "utf8"));
    expect(parse(file)).toEqual({ embedded: ["embedded-extractive"], endpoints: [] });
  });

  it("takes an endpoint's key from the environment variable it names", () => {
    const [config] = parse(withEndpoint({ models: ["m1", { name: "m2", upstreamName: "org/m2-turbo" }], requestsPerMinute: 60, timeouts: { idleMs: 5_000 } })).endpoints;
    expect(config).toEqual({
      name: "primary",
      baseUrl: "https://models.example.com/v1",
      apiKey: "key-of-primary",
      models: [
        { name: "m1", upstreamName: "m1" },
        { name: "m2", upstreamName: "org/m2-turbo" },
      ],
      priority: 0,
      weight: 1,
      concurrency: 4,
      requestsPerMinute: 60,
      cacheSalt: false,
      timeouts: { idleMs: 5_000 },
    });
  });

  it.each<[string, unknown, string]>([
    ["no model", { models: [] }, "models.json models: got []"],
    ["an unknown kind", { models: [{ ...embedded, kind: "MAGIC" }] }, 'models.json models.0.kind: got "MAGIC"'],
    ["a model that nothing serves", { models: [embedded, { name: "m9", kind: "REMOTE", contextTokens: 8_000 }] }, 'models.json models.1.name: got "m9", expected a model that an endpoint or MODEL_NAME serves'],
    ["a model that the server cannot run", { models: [{ ...embedded, name: "llama" }] }, 'models.json models.0.name: got "llama"'],
    ["a field of another name", withEndpoint({ concurency: 3 }), "models.json endpoints.0: got"],
    ["no concurrency", withEndpoint({ concurrency: 0 }), "models.json endpoints.0.concurrency: got 0"],
    ["a URL that is none", withEndpoint({ baseUrl: "models.example.com" }), 'models.json endpoints.0.baseUrl: got "models.example.com", expected an http or https URL'],
    ["a file URL", withEndpoint({ baseUrl: "file:///etc/passwd" }), "models.json endpoints.0.baseUrl: got"],
    ["a key in the URL", withEndpoint({ baseUrl: "https://user:pass@models.example.com/v1" }), "models.json endpoints.0.baseUrl: got"],
    ["a model twice", withEndpoint({ models: ["m1", "m1"] }), 'models.json endpoints.0.models.1: got "m1", expected each model once'],
    ["two endpoints of one name", { models: [embedded], endpoints: [endpoint, endpoint] }, 'models.json endpoints.1.name: got "primary", expected a name that no other endpoint has'],
    ["another of the server's secrets as a key", withEndpoint({ apiKeyEnv: "MASTER_KEY" }), 'models.json endpoints.0.apiKeyEnv: got "MASTER_KEY"'],
    ["a timeout of nothing", withEndpoint({ timeouts: { idleMs: 0 } }), "models.json endpoints.0.timeouts.idleMs: got 0"],
  ])("with %s is refused, naming file, field, what was got and what was expected", (_what, file, message) => {
    expect(() => parse(file)).toThrow(expect.objectContaining({ code: "BAD_USER_INPUT", message: expect.stringContaining(message) }));
  });

  it("whose key is missing is told in one line that names the variable", () => {
    expect(() => parse(withEndpoint({}), {})).toThrow(/^PRIMARY_API_KEY: got nothing, expected the key of the endpoint primary, since models\.json endpoints\.0\.apiKeyEnv names this variable$/u);
  });

  it("may name no key that opens the database, whatever its name", () => {
    const { modelKeys } = parseConfig({ ATLAS_API_KEY: "a:b", ATLAS_PROJECT_ID: "a".repeat(24), PRIMARY_API_KEY: "k", MASTER_KEY: "A".repeat(43) });
    expect({ ...modelKeys }).toEqual({ PRIMARY_API_KEY: "k" });
    expect(() => parse(withEndpoint({ apiKeyEnv: "ATLAS_API_KEY" }), modelKeys)).toThrow(/^ATLAS_API_KEY: got nothing/u);
  });
});

/** Two endpoints of one model. */
const besideB = (second: object) => ({ models: [embedded], endpoints: [{ ...endpoint, name: "b", requestsPerMinute: 10, tokensPerMinute: 1_000 }, { ...endpoint, name: "a", concurrency: 6, ...second }] });

const of = (name: string, models: string[], more: object = {}) => parse({ models: [embedded], endpoints: [{ ...endpoint, name, models, ...more }] }).endpoints[0] as ModelsFile["endpoints"][number];
const names = (configs: readonly { readonly name: string }[]) => configs.map(({ name }) => name);
const openBesideB = (second: object) => openInferencePool({ file: besideB(second), keys }, { count: () => 1 }, silentTelemetry);

describe("endpoints that share models", () => {
  it("stand in one group, also through a third, and the others in theirs", () => {
    const groups = groupByModels([of("a", ["x"]), of("b", ["y"]), of("c", ["z"]), of("d", ["x", "y"])]);
    expect(groups.map(names)).toEqual([["a", "b", "d"], ["c"]]);
  });

  it("have the sum of their places and rates, and no rate if one of them has none", () => {
    expect(openBesideB({ requestsPerMinute: 5 }).groups).toEqual([{ name: "a", slots: 10, requestsPerMinute: 15 }, { name: "embedded-extractive", slots: 8 }]);
    expect(openBesideB({ requestsPerMinute: 5, tokensPerMinute: 1 }).groups[0]).toEqual({ name: "a", slots: 10, requestsPerMinute: 15, tokensPerMinute: 1_001 });
  });

  it("come after the environment's model and before what runs in the server", () => {
    const pool = openInferencePool({ file: { models: [embedded], endpoints: [{ ...endpoint, name: "late", models: ["late"], priority: 2 }, endpoint] }, model: { baseUrl: "http://127.0.0.1:1/v1", name: "env" }, keys }, { count: () => 1 }, silentTelemetry);
    expect(pool.models).toEqual(["env", "m1", "late", "embedded-extractive"]);
    expect(["env", "m1", "late", "embedded-extractive"].map((model) => pool.groupOf(model))).toEqual(["environment", "primary", "late", "embedded-extractive"]);
  });

  it("join the environment's endpoint when they serve its model", () => {
    const pool = openInferencePool({ file: { models: [embedded], endpoints: [endpoint] }, model: { baseUrl: "http://127.0.0.1:1/v1", name: "m1" }, keys }, { count: () => 1 }, silentTelemetry);
    expect(pool.groups[0]).toEqual({ name: "environment", slots: 12 });
  });
});
