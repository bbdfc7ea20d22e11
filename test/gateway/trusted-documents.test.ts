import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient } from "graphql-ws";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import { sha256Of, TrustedDocuments } from "../../src/gateway/trusted-documents.js";
import { startHarness, type Harness } from "./harness.js";

const viewer = "query Viewer { viewer { user } }";
const stream = 'subscription Ingestion { ingestion(documentId: "doc_none") { __typename } }';
const stranger = "query Viewer { viewer { roles } }";
const folder = mkdtempSync(join(tmpdir(), "bulkhead-trusted-"));
const manifest = (name: string, entries: object): string => {
  writeFileSync(join(folder, name), JSON.stringify(entries));
  return join(folder, name);
};

let harness: Harness;
let token = "";
beforeAll(async () => {
  const documents = await TrustedDocuments.read([manifest("a.json", { [sha256Of(viewer)]: viewer }), manifest("b.json", { [sha256Of(stream)]: stream })]);
  harness = await startHarness({ documents });
  token = await harness.member();
});
afterAll(async () => {
  await harness.gateway.drain();
  rmSync(folder, { recursive: true });
});

const persisted = (text: string): object => ({ extensions: { persistedQuery: { version: 1, sha256Hash: sha256Of(text) } } });
const post = async (body: unknown, headers: Record<string, string> = {}): Promise<[number, unknown]> => {
  const answer = await harness.query("", { token, headers, body: JSON.stringify(body) });
  return [answer.status, answer.errors[0]?.extensions["code"] ?? answer.data];
};
const get = async (parameters: Record<string, string>): Promise<[number, string]> => {
  const response = await fetch(`${harness.url}/graphql?${new URLSearchParams(parameters).toString()}`, { headers: { authorization: `Bearer ${token}`, "apollo-require-preflight": "1" } });
  return [response.status, await response.text()];
};
const refused = [403, "DOCUMENT_NOT_TRUSTED"];
const served = [200, { viewer: { user: "ann" } }];

describe("over HTTP", () => {
  test("a trusted document runs by its hash, by its id and by its own text", async () => {
    expect(await post(persisted(viewer))).toEqual(served);
    expect(await post({ documentId: `sha256:${sha256Of(viewer)}` })).toEqual(served);
    expect(await post({ query: viewer })).toEqual(served);
    expect((await get({ extensions: JSON.stringify({ persistedQuery: { version: 1, sha256Hash: sha256Of(viewer) } }) }))[1]).toBe('{"data":{"viewer":{"user":"ann"}}}\n');
  });

  test("a sound document that is not on the list is refused, however it is named", async () => {
    expect(await post({ query: stranger })).toEqual(refused);
    expect(await post({ query: `${viewer} ` })).toEqual(refused);
    expect(await post(persisted(stranger))).toEqual(refused);
    expect(await post({ documentId: `sha256:${sha256Of(stranger)}` })).toEqual(refused);
    expect(await get({ query: stranger })).toEqual([403, expect.stringContaining("DOCUMENT_NOT_TRUSTED")]);
    expect(await get({ extensions: "{" })).toEqual([403, expect.stringContaining("DOCUMENT_NOT_TRUSTED")]);
  });

  test("the hash of a trusted document lends it to no other text", async () => {
    expect(await post({ query: stranger, ...persisted(viewer) })).toEqual(refused);
    expect(await get({ query: stranger, documentId: `sha256:${sha256Of(viewer)}` })).toEqual([403, expect.stringContaining("DOCUMENT_NOT_TRUSTED")]);
  });

  test("nothing that is no hash of ours names a document", async () => {
    for (const body of [{}, [], null, [{ query: viewer }], { query: 7 }, { documentId: sha256Of(viewer) }, { documentId: "sha256:__proto__" }, { extensions: { persistedQuery: { sha256Hash: "constructor" } } }, { extensions: [] }]) expect(await post(body)).toEqual(refused);
  });

  test("introspection is closed, with a token and without", async () => {
    expect((await harness.query("{ __schema { types { name } } }")).status).toBe(403);
    expect(await post({ query: "{ __schema { types { name } } }" })).toEqual(refused);
  });

  test("what cannot be parsed is refused as untrusted: it was never parsed", async () => {
    expect(await post({ query: "{" })).toEqual(refused);
    expect(await post({ query: "{ viewer ".repeat(20_000) })).toEqual(refused);
  });

  test("a browser still gets its page", async () => {
    expect((await fetch(`${harness.url}/graphql`, { headers: { accept: "text/html" } })).status).toBe(200);
  });
});

const overEvents = async (body: object): Promise<[number, string]> => {
  const response = await fetch(`${harness.url}/graphql`, { method: "POST", headers: { "content-type": "application/json", accept: "text/event-stream", authorization: `Bearer ${token}` }, body: JSON.stringify(body) });
  return [response.status, await response.text()];
};
const byHash = (text: string) => ({ query: "", extensions: { persistedQuery: { version: 1, sha256Hash: sha256Of(text) } } });

describe("streams", () => {
  test("server-sent events run what is trusted and refuse the rest", async () => {
    expect(await overEvents(persisted(stream))).toEqual([200, expect.stringContaining("NOT_FOUND")]);
    expect(await overEvents({ query: stream })).toEqual([200, expect.stringContaining("NOT_FOUND")]);
    for (const body of [{ query: stranger }, persisted(stranger), { query: "" }, { query: stranger, ...persisted(stream) }]) expect(await overEvents(body)).toEqual([403, expect.stringContaining("DOCUMENT_NOT_TRUSTED")]);
  });

  test("a WebSocket runs what is trusted and refuses the rest", async () => {
    const client = createClient({ url: `${harness.url.replace("http", "ws")}/graphql`, webSocketImpl: WebSocket, connectionParams: { token }, retryAttempts: 0 });
    const first = async (payload: { query: string; extensions?: Record<string, unknown> }): Promise<string> => {
      try {
        for await (const event of client.iterate(payload)) return JSON.stringify(event);
      } catch (error) {
        return JSON.stringify(error);
      }
      return "ended";
    };
    expect(await first(byHash(viewer))).toBe('{"data":{"viewer":{"user":"ann"}}}');
    expect(await first({ query: viewer })).toBe('{"data":{"viewer":{"user":"ann"}}}');
    for (const payload of [{ query: stranger }, byHash(stranger), { ...byHash(viewer), query: stranger }, { query: "" }]) expect(await first(payload)).toContain("DOCUMENT_NOT_TRUSTED");
    await client.dispose();
  });
});

describe("a manifest", () => {
  test("whose hash is not its document's, or that is none, stops the start", async () => {
    await expect(TrustedDocuments.read([manifest("c.json", { [sha256Of(viewer)]: stranger })])).rejects.toThrow(/^TRUSTED_DOCUMENTS: got .*not its document's/);
    await expect(TrustedDocuments.read([manifest("d.json", { short: viewer })])).rejects.toThrow(/^TRUSTED_DOCUMENTS: got/);
    await expect(TrustedDocuments.read([join(folder, "missing.json")])).rejects.toThrow(/^TRUSTED_DOCUMENTS: got/);
  });
});
