import { describe, expect, test } from "vitest";
import { parseConfig } from "../../src/config.js";

const clusterNames = (text: string) => parseConfig({ SILO_CLUSTER_URIS: text }).siloClusters.map(({ name }) => name);

describe("configuration", () => {
  test("defaults start everything on loopback with the embedded parts", () => {
    const config = parseConfig({});
    expect(config).toMatchObject({ host: "127.0.0.1", port: 4000, production: false, corsOrigins: [] });
    expect(config.mongodb.uri).toBeUndefined();
    expect(Object.isFrozen(config)).toBe(true);
  });

  test.each([
    ["PORT", "70000", "a whole number from 0 to 65535"],
    ["PORT", "http", "a whole number from 0 to 65535"],
    ["MONGODB_URI", "postgres://x", "mongodb://… or mongodb+srv://…"],
    ["MONGODB_DATABASE", "Prod_1", "1 to 20 lower-case letters"],
    ["REDIS_URL", "localhost:6379", "redis://… or rediss://…"],
    ["MASTER_KEY", "short", "32 bytes in base64"],
    ["MASTER_KEY_PREVIOUS", "short", "32 bytes in base64"],
    ["CORS_ORIGINS", "app.example.com", "origins such as"],
    ["LOG_LEVEL", "loud", "debug, info, warn or error"],
    ["JWKS_URI", "ftp://keys", "an http or https URL"],
    ["ATLAS_API_KEY", "public-alone", "public:private"],
    ["ATLAS_PROJECT_ID", "my-project", "24 hexadecimal digits"],
    ["ATLAS_BASE_URL", "cloud.mongodb.com", "an http or https URL"],
    ["SILO_CLUSTER_URIS", "postgres://x", "entries such as eu-1=mongodb+srv://…"],
    ["SILO_CLUSTER_URIS", "EU=mongodb://h", "entries such as"],
    ["SILO_CLUSTER_URIS", "eu=mongodb://h/?no-such-option=1", "entries such as"],
    ["SILO_CLUSTER_URIS", "eu=mongodb://h us-1", "entries such as"],
    ["SILO_CLUSTER_URIS", "eu=mongodb://h eu=mongodb://i", "a name of its own for each"],
    ["SILO_CLUSTER_URIS", "mongodb://h:27017 mongodb://h", "a name of its own for each"],
  ])("a wrong %s (%s) is named with what was expected", (name, value, expected) => {
    expect(() => parseConfig({ [name]: value })).toThrowError(expect.objectContaining({ code: "BAD_USER_INPUT", message: expect.stringContaining(expected) }));
    expect(() => parseConfig({ [name]: value })).toThrowError(new RegExp(`^${name}: got`));
  });

  test("a secret's value is never repeated in the error", () => {
    expect(() => parseConfig({ MASTER_KEY: "hunter2" })).toThrowError(expect.objectContaining({ message: expect.not.stringContaining("hunter2") }));
    for (const uris of ["eu=postgres://u:hunter2@h", "mongodb://u:hunter2@h:port", "eu=mongodb://u:hunter2@h/?nope=1", "a=mongodb://u:hunter2@h a=mongodb://u:hunter2@h", "mongodb://u:hunter2%@h"]) {
      expect(() => parseConfig({ SILO_CLUSTER_URIS: uris })).toThrowError(expect.objectContaining({ code: "BAD_USER_INPUT", message: expect.not.stringContaining("hunter2") }));
    }
    expect(() => parseConfig({ ATLAS_API_KEY: "hunter2" })).toThrowError(expect.objectContaining({ message: expect.not.stringContaining("hunter2") }));
    expect(() => parseConfig({ MONGODB_URI: "postgres://u:hunter2@h" })).toThrowError(expect.objectContaining({ message: expect.not.stringContaining("hunter2") }));
  });

  test("production without an issuer's keys or without a master key does not start", () => {
    expect(() => parseConfig({ NODE_ENV: "production" })).toThrow(/^JWKS_URI/);
    expect(() => parseConfig({ NODE_ENV: "production", JWKS_URI: "https://id.example/keys" })).toThrow(/^MASTER_KEY/);
    expect(parseConfig({ NODE_ENV: "production", JWKS_URI: "https://id.example/keys", MASTER_KEY: "A".repeat(43) }).production).toBe(true);
  });

  test("a model without a name, or an embedding without dimensions, is refused", () => {
    expect(() => parseConfig({ MODEL_BASE_URL: "http://127.0.0.1:1/v1" })).toThrow(/^MODEL_NAME/);
    expect(() => parseConfig({ EMBEDDING_BASE_URL: "http://127.0.0.1:1/v1", EMBEDDING_MODEL: "e" })).toThrow(/^EMBEDDING_DIMENSIONS/);
  });

  test("the operator's audience must differ from the tenants'", () => {
    expect(() => parseConfig({ OPERATOR_AUDIENCE: "same", JWT_AUDIENCE: "same" })).toThrow(/^OPERATOR_AUDIENCE/);
  });

  test("half of an Atlas key is refused by the name of the other half", () => {
    expect(() => parseConfig({ ATLAS_API_KEY: "public:private" })).toThrow(/^ATLAS_PROJECT_ID: got nothing/);
    expect(() => parseConfig({ ATLAS_PROJECT_ID: "0".repeat(24) })).toThrow(/^ATLAS_API_KEY: got nothing/);
    expect(parseConfig({ ATLAS_API_KEY: "public:private", ATLAS_PROJECT_ID: "0".repeat(24) }).atlas).toEqual({ publicKey: "public", privateKey: "private", projectId: "0".repeat(24), baseUrl: "https://cloud.mongodb.com" });
  });

  test("clusters for silos are told apart by name, or by their hosts without credentials", () => {
    expect(parseConfig({}).siloClusters).toEqual([]);
    expect(parseConfig({ SILO_CLUSTER_URIS: " eu-1=mongodb+srv://u:p@eu.example.net/?retryWrites=true\n\tmongodb://u:p@a.example,b.example:27018/?replicaSet=rs0 " }).siloClusters).toEqual([
      { name: "eu-1", uri: "mongodb+srv://u:p@eu.example.net/?retryWrites=true" },
      { name: "a.example:27017,b.example:27018", uri: "mongodb://u:p@a.example,b.example:27018/?replicaSet=rs0" },
    ]);
    // A comma between hosts, or inside an option, separates nothing; one before an entry does.
    expect(clusterNames("eu=mongodb://a,b,c/?compressors=zstd,zlib,us=mongodb://d,mongodb+srv://e.example.net")).toEqual(["eu", "us", "e.example.net"]);
    expect(clusterNames("eu=mongodb://mongodb.example,mongodb.example:27018")).toEqual(["eu"]);
  });
});
