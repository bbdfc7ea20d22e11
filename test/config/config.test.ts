import { describe, expect, test } from "vitest";
import { parseConfig } from "../../src/config.js";

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
    ["CORS_ORIGINS", "app.example.com", "origins such as"],
    ["LOG_LEVEL", "loud", "debug, info, warn or error"],
    ["JWKS_URI", "ftp://keys", "an http or https URL"],
  ])("a wrong %s (%s) is named with what was expected", (name, value, expected) => {
    expect(() => parseConfig({ [name]: value })).toThrowError(expect.objectContaining({ code: "BAD_USER_INPUT", message: expect.stringContaining(expected) }));
    expect(() => parseConfig({ [name]: value })).toThrowError(new RegExp(`^${name}: got`));
  });

  test("a secret's value is never repeated in the error", () => {
    expect(() => parseConfig({ MASTER_KEY: "hunter2" })).toThrowError(expect.objectContaining({ message: expect.not.stringContaining("hunter2") }));
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
});
