import { once } from "node:events";
import { request as httpRequest } from "node:http";
import { connect } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { tokenPlaceholder } from "../../src/gateway/token-placeholder.js";
import { startHarness, type Harness } from "./harness.js";

let harness: Harness;
beforeAll(async () => {
  harness = await startHarness();
});
afterAll(() => harness.gateway.drain());

const get = (path: string, headers: Record<string, string> = {}): Promise<Response> => fetch(`${harness.url}${path}`, { headers, redirect: "manual" });

const preflight = (origin: string): Promise<Response> => fetch(`${harness.url}/graphql`, { method: "OPTIONS", headers: { origin, "access-control-request-method": "POST" } });

describe("CORS", () => {
  test("an origin of the list may ask with a token and read the limits", async () => {
    const response = await preflight("https://app.example.com");
    expect([response.status, response.headers.get("access-control-allow-origin"), response.headers.get("access-control-allow-credentials")]).toEqual([204, "https://app.example.com", null]);
    expect(response.headers.get("access-control-allow-headers")).toContain("authorization");
    const answer = await harness.query("{ viewer { user } }", { token: await harness.member(), headers: { origin: "https://app.example.com" } });
    expect([answer.headers.get("access-control-allow-origin"), answer.headers.get("vary")]).toEqual(["https://app.example.com", "Origin"]);
    expect(answer.headers.get("access-control-expose-headers")).toContain("RateLimit-Remaining");
  });

  test.each([["https://evil.example"], ["https://app.example.com.evil.example"], ["http://app.example.com"], ["null"]])("%s may not", async (origin) => {
    expect((await preflight(origin)).headers.get("access-control-allow-origin")).toBeNull();
    expect((await harness.query("{ viewer { user } }", { headers: { origin } })).headers.get("access-control-allow-origin")).toBeNull();
  });
});

describe("CSRF", () => {
  test.each([["text/plain"], ["application/x-www-form-urlencoded"], ["multipart/form-data; boundary=x"]])("a POST as %s, which a form of another site can send, is refused", async (type) => {
    const answer = await harness.query("{ viewer { user } }", { token: await harness.member(), headers: { "content-type": type } });
    expect([answer.status, answer.errors[0]?.extensions.code]).toEqual([400, "BAD_USER_INPUT"]);
  });

  test("a plain GET is refused, one with a preflighted header is served, a mutation by GET never", async () => {
    const authorization = `Bearer ${await harness.member()}`;
    const query = encodeURIComponent("{ viewer { user } }");
    expect((await get(`/graphql?query=${query}`, { authorization })).status).toBe(400);
    expect(await (await get(`/graphql?query=${query}`, { authorization, "apollo-require-preflight": "1" })).json()).toEqual({ data: { viewer: { user: "ann" } } });
    const mutation = encodeURIComponent("mutation { startConversation { conversation { id } } }");
    expect((await get(`/graphql?query=${mutation}`, { authorization, "apollo-require-preflight": "1" })).status).toBe(405);
    expect(harness.services.conversations).toEqual([]);
  });
});

describe("pages for people", () => {
  test("Sandbox greets a browser, with the first query, and in development needs no token to introspect", async () => {
    const response = await get("/graphql", { accept: "text/html" });
    const html = await response.text();
    expect([response.status, response.headers.get("content-type")]).toEqual([200, "text/html"]);
    expect(html).toContain("viewer");
    expect((await harness.query("query IntrospectionQuery { __schema { types { name } } }")).status).toBe(200);
    for (const query of ["{ __schema { types { name } } viewer { user } }", "mutation { __typename }", "{ ...f } fragment f on Query { documents { nodes { id } } }"]) expect((await harness.query(query)).status).toBe(401);
  });

  test("under the header that both pages send before a token is pasted the schema is read, and nothing else", async () => {
    const headers = { authorization: tokenPlaceholder };
    expect((await harness.query("query IntrospectionQuery { __schema { types { name } } }", { headers })).status).toBe(200);
    expect((await harness.query("{ viewer { user } }", { headers })).status).toBe(401);
    expect((await harness.query("{ __schema { types { name } } viewer { user } }", { headers })).status).toBe(401);
  });

  test("/ide is whole without any other host, with the first query in it", async () => {
    expect((await get("/ide")).headers.get("location")).toBe("/ide/");
    const page = await get("/ide/");
    const html = await page.text();
    expect(html).toContain('<base href="/ide/"');
    expect(html).toContain("viewer");
    const files = [...html.matchAll(/(?:src|href)="([^"]+\.(?:js|css|ico))"/g)].map((match) => match[1] ?? "");
    expect(files.length).toBeGreaterThan(3);
    for (const file of files) {
      expect(file).not.toMatch(/^(https?:)?\/\//);
      const response = await get(`/ide/${file}`);
      expect([file, response.status]).toEqual([file, 200]);
      expect((await response.arrayBuffer()).byteLength).toBeGreaterThan(0);
    }
    expect(page.headers.get("content-security-policy")).toContain("default-src 'self'");
  });

  test.each([["/ide/../package.json"], ["/ide/%2e%2e/package.json"], ["/ide/..%2f..%2fpackage.json"], ["/ide/nothing"], ["/nothing"], ["/graphql/"]])("%s is not found", async (path) => {
    const { hostname, port } = new URL(harness.url);
    const raw = httpRequest({ hostname, port, path }).end();
    const [response] = (await once(raw, "response")) as [import("node:http").IncomingMessage];
    response.resume();
    expect(response.statusCode).toBe(404);
  });

  test("a Host header that is no host does not enter the page", async () => {
    const { hostname, port } = new URL(harness.url);
    const raw = httpRequest({ hostname, port, path: "/ide/", headers: { host: '"</script><script>alert(1)</script>' } }).end();
    const [response] = (await once(raw, "response")) as [import("node:http").IncomingMessage];
    const chunks: Buffer[] = [];
    for await (const chunk of response as AsyncIterable<Buffer>) chunks.push(chunk);
    expect(Buffer.concat(chunks).toString()).not.toContain("alert(1)");
  });
});

test("in production introspection needs a token like everything else", async () => {
  const production = await startHarness({ production: true });
  expect((await production.query("{ __schema { types { name } } }")).status).toBe(401);
  expect((await production.query("{ __schema { types { name } } }", { token: await production.member() })).status).toBe(200);
  await production.gateway.drain();
});

describe("health and metrics", () => {
  test("live and ready answer; ready follows what it is asked to check", async () => {
    expect([(await get("/health/live")).status, (await get("/health/ready")).status]).toEqual([200, 200]);
    for (const assertReady of [() => Promise.reject(new Error("no database")), () => new Promise<void>(() => undefined)]) {
      const ill = await startHarness({ assertReady });
      expect((await fetch(`${ill.url}/health/ready`)).status).toBe(503);
      expect((await fetch(`${ill.url}/health/live`)).status).toBe(200);
      await ill.gateway.drain();
    }
  });

  test("metrics are for loopback, but not for a proxy on loopback, and for operators", async () => {
    expect((await get("/metrics")).status).toBe(200);
    const proxied = { "x-forwarded-for": "203.0.113.9" };
    expect((await get("/metrics", proxied)).status).toBe(401);
    expect((await get("/metrics", { ...proxied, authorization: `Bearer ${await harness.admin()}` })).status).toBe(403);
    expect(await (await get("/metrics", { ...proxied, authorization: `Bearer ${await harness.operator()}` })).text()).toBe("up 1\n");
  });
});

test("answers may not be kept by anyone in between", async () => {
  const answer = await harness.query("{ viewer { user } }", { token: await harness.member() });
  expect(answer.headers.get("cache-control")).toBe("no-store");
});

test("each request leaves one line that names its tenant and no user, and its text nowhere", async () => {
  harness.telemetry.logs.length = 0;
  const answer = await harness.query('mutation { ask(input: { question: "what is my salary" }) { __typename } }', { token: await harness.member("acme", "ann@example.com") });
  await expect.poll(() => harness.telemetry.logs).toHaveLength(1);
  expect(harness.telemetry.logs[0]?.fields).toMatchObject({ requestId: answer.headers.get("x-request-id"), caller: "acme", route: "graphql", status: "200" });
  expect(JSON.stringify(harness.telemetry.logs)).not.toMatch(/salary|ann@/);
});

test("a method that is none of ours is 405", async () => {
  const response = await fetch(`${harness.url}/graphql`, { method: "DELETE" });
  expect([response.status, response.headers.get("allow")]).toEqual([405, "GET, POST, OPTIONS"]);
});

describe("draining", () => {
  test("lets a running request end, refuses new connections, and closes idle ones at once", async () => {
    const draining = await startHarness();
    const token = await draining.member();
    const started = new Promise<() => void>((resolve) => {
      draining.services.answers.run = (context) => new Promise((done) => resolve(() => done({ kind: "REFUSAL", code: "OVERLOADED", message: context.tenantId })));
    });
    const { hostname, port } = new URL(draining.url);
    const idle = connect(Number(port), hostname);
    await once(idle, "connect");
    const running = draining.query('mutation { ask(input: { question: "q" }) { ... on Refusal { message } } }', { token });
    const finish = await started;
    const drained = draining.gateway.drain();
    await once(idle, "close");
    await expect(fetch(`${draining.url}/health/ready`)).rejects.toThrow();
    finish();
    expect((await running).data).toEqual({ ask: { message: "acme" } });
    await drained;
  });

  test("a taken address is Node's own error", async () => {
    const second = await startHarness();
    await second.gateway.drain();
    await expect(second.gateway.listen("127.0.0.1", Number(new URL(harness.url).port))).rejects.toThrow("EADDRINUSE");
  });
});
