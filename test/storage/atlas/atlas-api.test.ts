import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { AtlasApi } from "../../../src/storage/atlas/atlas-api.js";
import { StubAtlas, type Fault } from "../../support/stub-atlas.js";

let atlas: StubAtlas;
let api: AtlasApi;
const make = (more: Partial<ConstructorParameters<typeof AtlasApi>[0]> = {}): AtlasApi =>
  new AtlasApi({ publicKey: atlas.publicKey, privateKey: atlas.privateKey, projectId: atlas.projectId, baseUrl: atlas.baseUrl, pauseMsMin: 10, giveUpMs: 2_000, requestMsMax: 300, ...more });

beforeAll(async () => {
  atlas = await StubAtlas.start();
});
afterAll(() => atlas.close());
beforeEach(() => {
  atlas.faults.length = 0;
  atlas.seen.length = 0;
  atlas.users.clear();
  api = make();
});

const user = { username: "bh_acme_2", password: "secret-of-acme", databaseName: "admin", roles: [{ roleName: "readWrite", databaseName: "bh_acme_2" }], scopes: [{ name: "Cluster0", type: "CLUSTER" }] };

describe("the Atlas Admin API", () => {
  test("is asked with a digest; the challenge is fetched without the body", async () => {
    expect((await api.ask("POST", "/databaseUsers", user)).status).toBe(201);
    expect(atlas.users.get(user.username)).toMatchObject(user);
    expect(atlas.seen.map(({ authorized, body }) => ({ authorized, empty: body === "" }))).toEqual([{ authorized: false, empty: true }, { authorized: true, empty: false }]);
  });

  test("answers that a user exists or is missing, which are no failures", async () => {
    await api.ask("POST", "/databaseUsers", user);
    expect((await api.ask("POST", "/databaseUsers", user)).status).toBe(409);
    expect((await api.ask("DELETE", "/databaseUsers/admin/nobody")).status).toBe(404);
    expect((await api.ask("DELETE", `/databaseUsers/admin/${user.username}`)).status).toBe(204);
  });

  test.each<[string, Fault]>([
    ["429 with Retry-After", { status: 429, headers: { "retry-after": "1" } }],
    ["429 with a date", { status: 429, headers: { "retry-after": new Date(0).toUTCString() } }],
    ["503 with a page", { status: 503, body: "<html>maintenance</html>" }],
    ["500", { status: 500 }],
    ["silence", "silence"],
    ["a cut connection", "cut"],
  ])("is asked again after %s", async (_what, fault) => {
    atlas.faults.push(fault);
    const startedAt = performance.now();
    expect((await api.ask("POST", "/databaseUsers", user)).status).toBe(201);
    if (typeof fault === "object" && fault.headers?.["retry-after"] === "1") expect(performance.now() - startedAt).toBeGreaterThan(990);
  });

  test("is given up in the end, with the status and Atlas's code, and without what was sent", async () => {
    for (let i = 0; i < 1_000; i += 1) atlas.faults.push({ status: 503 });
    const failed: unknown = await make({ giveUpMs: 200 }).ask("POST", "/databaseUsers", user).catch((error: unknown) => error);
    expect(failed).toMatchObject({ code: "SERVICE_UNAVAILABLE", message: "The Atlas Admin API did not serve POST: got 503 UNEXPECTED_ERROR" });
    expect(String(failed) + JSON.stringify(failed)).not.toMatch(/secret-of-acme|private-key/);
  });

  test.each([401, 403])("that answers %s to the key is not asked again", async (status) => {
    atlas.faults.push({ status, body: { errorCode: "IP_ADDRESS_NOT_ON_ACCESS_LIST" } });
    await expect(api.ask("GET", "/clusters")).rejects.toMatchObject({ code: "SERVICE_UNAVAILABLE", message: expect.stringContaining("expected an ATLAS_API_KEY that may manage database users") });
    expect(atlas.seen.filter(({ authorized }) => authorized)).toHaveLength(1);
  });

  test("that does not know the key is told so at once, without the key", async () => {
    const failed: unknown = await make({ privateKey: "a-wrong-key" }).ask("GET", "/clusters").catch((error: unknown) => error);
    expect(failed).toMatchObject({ code: "SERVICE_UNAVAILABLE", message: expect.stringContaining("401 UNAUTHORIZED") });
    expect(String(failed)).not.toContain("a-wrong-key");
    expect(atlas.seen).toHaveLength(2);
  });

  test("is not followed to another address", async () => {
    const elsewhere = await StubAtlas.start();
    atlas.faults.push({ status: 307, headers: { location: `${elsewhere.baseUrl}/api` } });
    await expect(make({ giveUpMs: 0 }).ask("POST", "/databaseUsers", user)).rejects.toMatchObject({ code: "SERVICE_UNAVAILABLE" });
    expect(elsewhere.seen).toEqual([]);
    await elsewhere.close();
  });
});
