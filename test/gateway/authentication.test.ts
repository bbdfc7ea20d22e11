import { createHmac } from "node:crypto";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { exportJWK, exportSPKI, generateKeyPair, importJWK, SignJWT, type CryptoKey, type JWK } from "jose";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { TokenVerifier } from "../../src/gateway/token-verifier.js";
import { codeOf, RecordingTelemetry, rules, startHarness, type Harness } from "./harness.js";

const viewer = "{ viewer { user } }";
let harness: Harness;
beforeAll(async () => {
  harness = await startHarness();
});
afterAll(() => harness.gateway.drain());

async function statusAndCode(token: string | undefined): Promise<[number, unknown]> {
  const answer = await harness.query(viewer, token === undefined ? {} : { token });
  expect(answer.data ?? null).toBeNull();
  return [answer.status, codeOf(answer)];
}

describe("a token that is let in", () => {
  test.each([["JWT"], ["jwt"], ["at+jwt"], ["application/at+jwt"], [undefined]])("has typ %s", async (typ) => {
    const answer = await harness.query(viewer, { token: await harness.token({}, { header: { typ } }) });
    expect(answer.data).toEqual({ viewer: { user: "ann" } });
  });

  test("speaks for its own tenant and user alone, whatever headers and extensions say", async () => {
    const body = JSON.stringify({ query: "{ viewer { user tenant { id } roles } }", extensions: { tenant_id: "globex" } });
    const answer = await harness.query("", { token: await harness.member(), body, headers: { "x-tenant-id": "globex", "x-user-id": "root" } });
    expect(answer.data).toEqual({ viewer: { user: "ann", tenant: { id: "acme" }, roles: ["MEMBER"] } });
  });

  test("has the tier of the directory, not of its claim", async () => {
    const answer = await harness.query("{ viewer { tier } }", { token: await harness.token({ tier: "ENTERPRISE" }) });
    expect(answer.data).toEqual({ viewer: { tier: "PRO" } });
  });
});

describe("refused with 401 UNAUTHENTICATED", () => {
  const unauthenticated = [401, "UNAUTHENTICATED"];

  test("no token, with the scheme named for clients", async () => {
    const answer = await harness.query(viewer);
    expect([answer.status, codeOf(answer)]).toEqual(unauthenticated);
    expect(answer.headers.get("www-authenticate")).toBe("Bearer");
    expect(answer.headers.get("x-request-id")).toMatch(/^req_/);
  });

  test("another scheme, or a token with a space", async () => {
    for (const authorization of ["Basic YTpi", "Bearer", "Bearer a b", `Bearer  ${await harness.member()}`]) {
      const answer = await harness.query(viewer, { headers: { authorization } });
      expect([answer.status, codeOf(answer)]).toEqual(unauthenticated);
    }
  });

  test("a key that is not ours", async () => {
    const { privateKey } = await generateKeyPair("ES256");
    expect(await statusAndCode(await harness.token({}, { key: privateKey }))).toEqual(unauthenticated);
  });

  test("an expired token, one issued in the future, one that expires before it was issued, one without exp or iat", async () => {
    const now = Math.floor(Date.now() / 1_000);
    expect(await statusAndCode(await harness.token({}, { expiresIn: -10 }))).toEqual(unauthenticated);
    expect(await statusAndCode(await harness.token({ iat: now + 3_600, exp: now + 7_200 }))).toEqual(unauthenticated);
    expect(await statusAndCode(await harness.token({ iat: now + 4, exp: now + 3 }))).toEqual(unauthenticated);
    expect(await statusAndCode(await harness.token({ exp: undefined }))).toEqual(unauthenticated);
    expect(await statusAndCode(await harness.token({ iat: undefined }))).toEqual(unauthenticated);
  });

  test("a foreign audience, a foreign issuer, both audiences at once", async () => {
    expect(await statusAndCode(await harness.token({ aud: "someone-else" }))).toEqual(unauthenticated);
    expect(await statusAndCode(await harness.token({ iss: "https://evil.test" }))).toEqual(unauthenticated);
    expect(await statusAndCode(await harness.token({ aud: [rules.audience, rules.operatorAudience] }))).toEqual(unauthenticated);
  });

  test("alg none, with and without an empty signature", async () => {
    const [, payload] = (await harness.member()).split(".");
    const header = Buffer.from(JSON.stringify({ alg: "none", typ: "JWT" })).toString("base64url");
    expect(await statusAndCode(`${header}.${payload}.`)).toEqual(unauthenticated);
    expect(await statusAndCode(`${header}.${payload}.AA`)).toEqual(unauthenticated);
  });

  test("HS256 with the public key as its secret", async () => {
    const jwk = await exportJWK(harness.privateKey);
    const publicKey = (await importJWK({ kty: "EC", crv: "P-256", x: jwk.x as string, y: jwk.y as string }, "ES256")) as CryptoKey;
    const header = Buffer.from(JSON.stringify({ alg: "HS256", typ: "JWT", kid: "k1" })).toString("base64url");
    const [, payload] = (await harness.member()).split(".");
    const signature = createHmac("sha256", await exportSPKI(publicKey)).update(`${header}.${payload}`).digest("base64url");
    expect(await statusAndCode(`${header}.${payload}.${signature}`)).toEqual(unauthenticated);
  });

  test("another spelling of a good token: padding, whitespace, the other alphabet, loose last bits", async () => {
    const token = await harness.member();
    const [header, payload, signature] = token.split(".") as [string, string, string];
    // The last character of 64 bytes in base64url holds two bits of data and four that are unused.
    const looseBits = signature.slice(0, -1) + String.fromCharCode(signature.charCodeAt(signature.length - 1) + 1);
    for (const spelling of [`${token}=`, `${header}=.${payload}.${signature}`, `${header}.${payload}.${signature.slice(0, 10)}\t${signature.slice(10)}`, `${header}.${payload}.${looseBits}`, `${token}.`, `.${token}`]) {
      const answer = await harness.query(viewer, { headers: { authorization: `Bearer ${spelling}` } });
      expect([spelling, answer.status, codeOf(answer)]).toEqual([spelling, ...unauthenticated]);
    }
    expect((await harness.query(viewer, { token })).status).toBe(200);
  });

  test("9 KB, a critical extension, a typ of another kind", async () => {
    expect(await statusAndCode(await harness.token({ padding: "x".repeat(9_000) }))).toEqual(unauthenticated);
    expect(await statusAndCode(await harness.token({}, { header: { typ: "logout+jwt" } }))).toEqual(unauthenticated);
    const header = Buffer.from(JSON.stringify({ alg: "ES256", kid: "k1", crit: ["exp", "exp"], exp: 1 })).toString("base64url");
    const [, payload, signature] = (await harness.member()).split(".");
    expect(await statusAndCode(`${header}.${payload}.${signature}`)).toEqual(unauthenticated);
  });

  test.each([[undefined], [""], ["ACME"], ["acme "], [{ $ne: "" }], [["acme"]], [0], [null], ["__proto__"], ["a".repeat(27)], ["nobody-here"]])("a tenant_id of %j", async (tenant_id) => {
    expect(await statusAndCode(await harness.token({ tenant_id }))).toEqual(unauthenticated);
  });

  test("a sub that is no text, roles that are no list", async () => {
    expect(await statusAndCode(await harness.token({ sub: "" }))).toEqual(unauthenticated);
    expect(await statusAndCode(await harness.token({ sub: "a\u0000job" }))).toEqual(unauthenticated);
    expect(await statusAndCode(await harness.token({ roles: "admin" }))).toEqual(unauthenticated);
  });
});

describe("refused with 403", () => {
  afterEach(() => {
    harness.telemetry.alarms.length = 0;
  });

  test("operator in a tenant's token, alone or beside another role: alarmed, and FORBIDDEN", async () => {
    for (const roles of [["operator"], ["member", "operator"]]) expect(await statusAndCode(await harness.token({ roles }))).toEqual([403, "FORBIDDEN"]);
    expect(harness.telemetry.alarms.map(({ name, fields }) => [name, fields.tenantId])).toEqual(Array.from({ length: 2 }, () => ["operator_role_in_tenant_token", "acme"]));
  });

  test("a tenant's audience cannot be swapped for the operator's: roles of one do not count in the other", async () => {
    expect(await statusAndCode(await harness.token({ aud: rules.operatorAudience, roles: ["operator"] }))).toEqual([403, "FORBIDDEN"]);
    expect(await statusAndCode(await harness.token({ aud: rules.operatorAudience, tenant_id: undefined, roles: ["operator", "admin"] }))).toEqual([403, "FORBIDDEN"]);
    expect(await statusAndCode(await harness.token({ aud: rules.operatorAudience, tenant_id: undefined, roles: ["admin"] }))).toEqual([403, "FORBIDDEN"]);
  });

  test("an unknown role", async () => {
    expect(await statusAndCode(await harness.token({ roles: ["member", "root"] }))).toEqual([403, "FORBIDDEN"]);
  });

  test("a suspended tenant, although its token was let in a moment ago", async () => {
    harness.services.addTenant("initech", "FREE");
    const token = await harness.member("initech");
    expect((await harness.query(viewer, { token })).status).toBe(200);
    harness.services.suspend("initech");
    expect(await statusAndCode(token)).toEqual([403, "TENANT_SUSPENDED"]);
  });
});

test("a directory that cannot be read is 503, never a look into something else", async () => {
  const broken = await startHarness({ directory: { find: () => Promise.reject(new TypeError("socket hang up")) } });
  const answer = await broken.query(viewer, { token: await broken.member() });
  expect([answer.status, codeOf(answer), answer.headers.get("retry-after")]).toEqual([503, "SERVICE_UNAVAILABLE", "1"]);
  expect(answer.text).not.toContain("hang up");
  await broken.gateway.drain();
});

async function issuerKey(kid: string): Promise<{ sign(): Promise<string>; jwk: JWK }> {
  const { publicKey, privateKey } = await generateKeyPair("RS256");
  const now = Math.floor(Date.now() / 1_000);
  return {
    jwk: { ...(await exportJWK(publicKey)), kid, alg: "RS256" },
    sign: () => new SignJWT({ tenant_id: "acme", roles: ["member"] }).setProtectedHeader({ alg: "RS256", kid }).setIssuer(rules.issuer).setAudience(rules.audience).setSubject("ann").setIssuedAt(now).setExpirationTime(now + 60).setJti(crypto.randomUUID()).sign(privateKey),
  };
}

describe("keys from an issuer", () => {
  let server: Server;
  let keys: JWK[] = [];
  let fetches = 0;
  beforeAll(async () => {
    server = createServer((_request, response) => {
      fetches += 1;
      response.setHeader("content-type", "application/json").end(JSON.stringify({ keys }));
    }).listen(0);
    await new Promise((resolve) => server.once("listening", resolve));
  });
  afterAll(() => server.close());

  test("are fetched once, and an unknown key id does not cause a flood of fetches", async () => {
    const first = await issuerKey("first");
    const unknown = await issuerKey("unknown");
    keys = [first.jwk];
    fetches = 0;
    const verifier = new TokenVerifier(rules, { kind: "JWKS", uri: `http://127.0.0.1:${(server.address() as AddressInfo).port}/` }, new RecordingTelemetry());
    await expect(verifier.verify(await first.sign())).resolves.toMatchObject({ kind: "TENANT", tenantId: "acme" });
    for (let i = 0; i < 5; i += 1) await expect(verifier.verify(await unknown.sign())).rejects.toMatchObject({ code: "UNAUTHENTICATED" });
    expect(fetches).toBe(1);
  });

  test("are rotated without a restart: the new key is accepted, the withdrawn one no longer", async () => {
    const [old, fresh] = [await issuerKey("old"), await issuerKey("fresh")];
    keys = [old.jwk];
    const verifier = new TokenVerifier(rules, { kind: "JWKS", uri: `http://127.0.0.1:${(server.address() as AddressInfo).port}/` }, new RecordingTelemetry());
    await expect(verifier.verify(await old.sign())).resolves.toMatchObject({ kind: "TENANT" });
    keys = [fresh.jwk];
    // Past the pause between two fetches, on the clock that jose reads.
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 31_000 });
    try {
      await expect(verifier.verify(await fresh.sign())).resolves.toMatchObject({ kind: "TENANT" });
      await expect(verifier.verify(await old.sign())).rejects.toMatchObject({ code: "UNAUTHENTICATED" });
    } finally {
      vi.useRealTimers();
    }
  });

  test("that cannot be fetched are SERVICE_UNAVAILABLE, not a wrong token", async () => {
    const verifier = new TokenVerifier(rules, { kind: "JWKS", uri: "http://127.0.0.1:9/" }, new RecordingTelemetry());
    await expect(verifier.verify(await (await issuerKey("x")).sign())).rejects.toMatchObject({ code: "SERVICE_UNAVAILABLE" });
  });
});

test("verified claims are cached by the token, and no longer than the token lives", async () => {
  const verifier = new TokenVerifier(rules, { kind: "DEVELOPMENT", publicJwk: { ...(await exportJWK(harness.privateKey)), d: undefined, kid: "k1" } as JWK }, new RecordingTelemetry());
  const token = await harness.token({}, { expiresIn: 1 });
  const caller = await verifier.verify(token);
  expect(await verifier.verify(token)).toBe(caller);
  // One second of life and the tolerance for clocks: the cached claims end with exp itself.
  await new Promise((resolve) => setTimeout(resolve, 1_100));
  expect(await verifier.verify(token)).not.toBe(caller);
});
