import { request as httpRequest, type IncomingMessage } from "node:http";
import { once } from "node:events";
import { afterAll, beforeAll, expect, test } from "vitest";
import { newId, parseTenantId, type AdapterId } from "../../src/kernel/ids.js";
import { startHarness, type Harness } from "./harness.js";

let harness: Harness;
beforeAll(async () => {
  harness = await startHarness();
  harness.services.addTenant("globex");
});
afterAll(() => harness.gateway.drain());

const file = Buffer.from([0, 1, 2, 255, 254, 10, 13]);

async function call(method: string, path: string, token: string | undefined, body?: Buffer): Promise<{ readonly status: number; readonly headers: Headers; readonly body: Buffer }> {
  const response = await fetch(`${harness.url}${path}`, { method, headers: token === undefined ? {} : { authorization: `Bearer ${token}` }, ...(body === undefined ? {} : { body }) });
  return { status: response.status, headers: response.headers, body: Buffer.from(await response.arrayBuffer()) };
}

const imported = async (): Promise<string> => {
  const { status, body } = await call("POST", "/adapters?name=Ours&baseModel=base", await harness.admin(), file);
  expect(status).toBe(200);
  return (JSON.parse(body.toString()) as { data: { adapter: { id: string } } }).data.adapter.id;
};

test("a file of weights is taken in by an admin and given back to one, byte by byte, as a file and not as a page", async () => {
  const got = await call("GET", `/adapters/${await imported()}/weights`, await harness.admin());
  expect(got.body.equals(file)).toBe(true);
  expect([got.status, got.headers.get("content-disposition"), got.headers.get("x-content-type-options"), got.headers.get("cache-control")]).toEqual([200, "attachment", "nosniff", "no-store"]);
});

test("without a token it is 401, for a member, an operator and a suspended tenant 403, and nothing is stored", async () => {
  const before = harness.services.weights.size;
  const id = await imported();
  for (const [method, path] of [["POST", "/adapters?name=Ours&baseModel=base"], ["GET", `/adapters/${id}/weights`]] as const) {
    const statuses = await Promise.all([undefined, await harness.member(), await harness.operator()].map(async (token) => (await call(method, path, token, method === "POST" ? file : undefined)).status));
    expect(statuses).toEqual([401, 403, 403]);
  }
  expect(harness.services.weights.size).toBe(before + 1);
});

test("another tenant's weights are to the letter what weights are that never were", async () => {
  const id = await imported();
  const stranger = await harness.token({ tenant_id: "globex", roles: ["admin"] });
  const [foreign, missing, malformed] = await Promise.all([id, newId("adapter"), "adp_x"].map((asked) => call("GET", `/adapters/${asked}/weights`, stranger)));
  expect(foreign?.status).toBe(404);
  expect(textOf(foreign)).toBe(textOf(missing));
  expect(textOf(malformed)).toBe(textOf(missing));
});

test("a download keeps its place until it has been read, so that who reads nothing holds one file in memory and not many; and then gives it back", async () => {
  const id = newId<AdapterId>("adapter");
  // More than both ends' buffers take.
  harness.services.weights.set(id, { tenantId: parseTenantId("acme"), file: Buffer.alloc(24_000_000) });
  const headers = { authorization: `Bearer ${await harness.admin()}` };
  const unread = httpRequest(`${harness.url}/adapters/${id}/weights`, { headers });
  unread.on("error", () => undefined).end();
  const [response] = (await once(unread, "response")) as [IncomingMessage];
  response.pause().on("error", () => undefined);
  const second = await call("GET", `/adapters/${id}/weights`, await harness.admin());
  expect([second.status, JSON.parse(second.body.toString()) as unknown]).toMatchObject([429, { errors: [{ extensions: { code: "RATE_LIMITED", limit: "openWeights" } }] }]);
  unread.destroy();
  await expect.poll(async () => (await call("GET", `/adapters/${id}/weights`, await harness.admin())).status).toBe(200);
});

test("a file that is too large is 413 before it has come, and other methods are 405", async () => {
  const request = httpRequest(`${harness.url}/adapters?name=Ours&baseModel=base`, { method: "POST", headers: { authorization: `Bearer ${await harness.admin()}`, "content-length": 60_000_000 } });
  request.on("error", () => undefined);
  request.flushHeaders();
  const [response] = (await once(request, "response")) as [{ statusCode: number }];
  expect(response.statusCode).toBe(413);
  request.destroy();
  expect([(await call("GET", "/adapters", await harness.admin())).status, (await call("DELETE", "/adapters/adp_x/weights", await harness.admin())).status]).toEqual([405, 405]);
});

function textOf(answer: { readonly status: number; readonly body: Buffer } | undefined): string {
  return `${String(answer?.status)} ${String(answer?.body).replaceAll(/req_[A-Za-z0-9_-]+/gu, "req")}`;
}
