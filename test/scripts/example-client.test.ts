import { afterAll, beforeAll, expect, test } from "vitest";
import { BulkheadClient, RequestFailed } from "../../scripts/example-client/client.js";
import { CreateTenantDocument, DocumentDocument, IngestDocument, IngestionDocument } from "../../scripts/example-client/generated.js";
import { runExample } from "../../scripts/example-client/run-example.js";
import { TestServer } from "../acceptance/server.js";

const documents = { Returns: "Customers may return goods within 30 days of delivery.", Handbook: "The office opens at eight.", Travel: "Trains are booked in second class." };

/** With the trusted documents alone: nothing else could prepare it. */
async function prepare(operator: BulkheadClient, admin: BulkheadClient): Promise<void> {
  await operator.request(CreateTenantDocument, { input: { id: "acme", name: "Acme", tier: "PRO" } });
  for (const [title, content] of Object.entries(documents)) {
    const { ingestDocument } = await admin.request(IngestDocument, { input: { title, content, mediaType: "MARKDOWN" } });
    for await (const { ingestion } of admin.subscribe(IngestionDocument, { documentId: ingestDocument?.document.id ?? "" })) {
      if (ingestion?.document.state === "READY") break;
      expect(ingestion?.document.failure ?? null).toBeNull();
    }
  }
}

let server: TestServer;
beforeAll(async () => {
  server = await TestServer.start({ TRUSTED_DOCUMENTS: new URL("../../schema/trusted-documents.json", import.meta.url).pathname });
});
afterAll(() => server.stop());

test("the typed client asks, streams and pages on a server that runs its trusted documents alone", async () => {
  const token = await server.token({ tenant: "acme" });
  const client = new BulkheadClient({ url: server.url, token: () => token });
  const operator = new BulkheadClient({ url: server.url, token: () => server.token("operator") });
  await prepare(operator, client);
  const said: string[] = [];
  await runExample(client, "How long may goods be returned?", (line) => said.push(line));
  expect(said[0]).toMatch(/^Answer: .*30 days.* \(1 citations, /);
  expect(said[1]).toMatch(/^Streamed: .*30 days.* \(STOP\)$/);
  expect(said.slice(2).toSorted()).toEqual(["Document: Handbook", "Document: Returns", "Document: Travel"]);
  const missing = client.request(DocumentDocument, { id: "doc_none" });
  await expect(missing).rejects.toBeInstanceOf(RequestFailed);
  await expect(missing).rejects.toMatchObject({ status: 200, errors: [{ extensions: { code: "NOT_FOUND" } }] });
});

test("the same server refuses what is none of them", async () => {
  expect((await server.ask({ tenant: "acme" }, "{ viewer { user } }")).status).toBe(403);
});
