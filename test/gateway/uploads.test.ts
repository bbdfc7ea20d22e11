import { request as httpRequest } from "node:http";
import { once } from "node:events";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { badUserInput } from "../../src/kernel/errors.js";
import { startHarness, type Harness } from "./harness.js";

let harness: Harness;
beforeEach(async () => {
  harness = await startHarness();
});
afterEach(() => harness.gateway.drain());

interface Uploaded {
  readonly status: number;
  readonly documents: readonly ({ readonly title: string; readonly mediaType: string; readonly bytes: number; readonly state: string } | null)[];
  readonly errors: readonly { readonly message: string; readonly path?: readonly unknown[]; readonly extensions: Readonly<Record<string, unknown>> }[];
}

async function upload(path: string, body: string | FormData, headers: Record<string, string> = {}, token?: string): Promise<Uploaded> {
  const response = await fetch(`${harness.url}${path}`, { method: "POST", body, headers: { authorization: `Bearer ${token ?? (await harness.admin())}`, ...headers } });
  const { data, errors } = (await response.json()) as { data?: { documents: Uploaded["documents"] }; errors?: Uploaded["errors"] };
  return { status: response.status, documents: data?.documents ?? [], errors: errors ?? [] };
}

const as = (token: string): Promise<Uploaded> => upload("/documents?title=x", "x", { "content-type": "text/plain" }, token);

const form = (...files: readonly [name: string, text: string, type: string][]): FormData => {
  const made = new FormData();
  for (const [name, text, type] of files) made.append("file", new Blob([text], { type }), name);
  return made;
};

test("a body is one document, typed by its header or by its name, with title and tags from the query", async () => {
  expect(await upload("/documents?title=Hand%20book&tags=hr&tags=2026", "# Leave", { "content-type": "text/markdown" })).toMatchObject({ status: 200, documents: [{ title: "Hand book", mediaType: "text/markdown", bytes: 7, state: "PENDING" }] });
  expect(await upload("/documents?filename=C:\\docs\\..\\leave.md", "# Leave", { "content-type": "application/octet-stream" })).toMatchObject({ documents: [{ title: "leave.md", mediaType: "text/markdown" }] });
  expect(harness.services.documents.map(({ tenantId, tags }) => [tenantId, tags])).toEqual([["acme", ["hr", "2026"]], ["acme", []]]);
});

test("every file of a form is a document of its own, priced as one each, and what is wrong with one does not void the others", async () => {
  const { accept } = harness.services.ingestion;
  Object.assign(harness.services.ingestion, { accept: (...args: Parameters<typeof accept>) => (args[2].title === "bad.txt" ? Promise.reject(badUserInput("content", "0 bytes", "1 or more")) : args[2].title === "ill.txt" ? Promise.reject(new Error("mongodb://root:hunter2@db")) : accept(...args)) });
  const made = form(["a.md", "one", "text/markdown"], ["bad.txt", "", "text/plain"], ["ill.txt", "x", "text/plain"], ["../../c.html", "<p>three", "text/html"]);
  made.append("tags", "bulk");
  const { status, documents, errors } = await upload("/documents", made);
  expect(status).toBe(200);
  expect(documents.map((document) => document?.title)).toEqual(["a.md", undefined, undefined, "c.html"]);
  expect(errors).toMatchObject([{ path: ["documents", 1], extensions: { code: "BAD_USER_INPUT" } }, { path: ["documents", 2], extensions: { code: "INTERNAL", requestId: expect.any(String) } }]);
  expect(JSON.stringify(errors)).not.toContain("hunter2");
  expect(harness.admission.prices).toEqual([1, 3]);
  expect(harness.services.documents.every(({ tags }) => tags[0] === "bulk")).toBe(true);
});

describe("the rules of ingestDocument hold:", () => {
  test("no token is 401, a member and an operator are 403, a suspended tenant is 403, and nothing is taken", async () => {
    expect((await as("a.b.c")).status).toBe(401);
    expect([(await as(await harness.member())).status, (await as(await harness.operator())).status]).toEqual([403, 403]);
    harness.services.suspend("acme");
    expect(await as(await harness.admin())).toMatchObject({ status: 403, errors: [{ extensions: { code: "TENANT_SUSPENDED" } }] });
    expect([harness.services.documents, harness.admission.prices]).toEqual([[], []]);
  });

  test("a form is admitted whole or refused whole", async () => {
    harness.admission.limit = 2;
    const refused = await upload("/documents", form(["a.md", "1", "text/markdown"], ["b.md", "2", "text/markdown"], ["c.md", "3", "text/markdown"]));
    expect(refused).toMatchObject({ status: 429, errors: [{ extensions: { code: "RATE_LIMITED", limit: "requestsPerMinute" } }] });
    expect(harness.services.documents).toEqual([]);
  });

  test("a document lands with the tenant of the token, whatever form, query and header say", async () => {
    const made = form(["a.md", "mine", "text/markdown"]);
    for (const field of ["tenant_id", "tenantId", "tenant"]) made.append(field, "globex");
    await upload("/documents?tenant_id=globex&tenantId=globex", made, { "x-tenant-id": "globex" });
    expect(harness.services.documents.map(({ tenantId }) => tenantId)).toEqual(["acme"]);
  });
});

test.each([
  ["a body larger than the tier's documents", "/documents?title=x", "x".repeat(500_001), { "content-type": "text/plain" }, 413],
  ["a type nobody reads", "/documents?title=x", "x", { "content-type": "image/png" }, 400],
  ["a form that is none", "/documents", "no form", { "content-type": "multipart/form-data; boundary=b" }, 400],
  ["a form without a boundary", "/documents", "no form", { "content-type": "multipart/form-data" }, 400],
  ["a form of another kind", "/documents", "--b--", { "content-type": "multipart/mixed; boundary=b" }, 400],
  ["a form of twenty thousand parts", "/documents", `${"--b\r\ncontent-disposition: form-data; name=a\r\n\r\n\r\n".repeat(20_000)}--b--`, { "content-type": "multipart/form-data; boundary=b" }, 400],
])("%s is refused as BAD_USER_INPUT, at the price of one request", async (_name, path, body, headers, status) => {
  expect(await upload(path, body, headers)).toMatchObject({ status, errors: [{ extensions: { code: "BAD_USER_INPUT" } }] });
  expect([harness.services.documents, harness.admission.prices]).toEqual([[], [1]]);
});

test("one tenant's slow uploads take its own places: another tenant's goes through", async () => {
  const token = await harness.admin();
  const { hostname, port } = new URL(harness.url);
  const slow = [1, 2].map(() => {
    const request = httpRequest({ hostname, port, path: "/documents?title=x", method: "POST", headers: { authorization: `Bearer ${token}`, "content-type": "text/plain", "content-length": 10 } });
    request.on("error", () => undefined);
    request.write("x");
    return request;
  });
  const text = { "content-type": "text/plain" };
  await expect.poll(async () => (await upload("/documents?title=x", "x", text)).status).toBe(429);
  expect((await upload("/documents?title=x", "x", text, await harness.admin("globex"))).status).toBe(200);
  // What ends gives its place back, finished or broken off.
  slow[0]?.destroy();
  await expect.poll(async () => (await upload("/documents?title=x", "x", text)).status).toBe(200);
  slow[1]?.end("123456789");
  if (slow[1] !== undefined) expect(((await once(slow[1], "response")) as [{ statusCode: number }])[0].statusCode).toBe(200);
});

test("other methods are 405, and a page of a listed origin may upload", async () => {
  expect((await fetch(`${harness.url}/documents`)).status).toBe(405);
  const preflight = await fetch(`${harness.url}/documents`, { method: "OPTIONS", headers: { origin: "https://app.example.com" } });
  expect(preflight.headers.get("access-control-allow-origin")).toBe("https://app.example.com");
});
