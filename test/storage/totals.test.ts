import fc from "fast-check";
import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { newId, type AdapterId, type DocumentId } from "../../src/kernel/ids.js";
import type { TenantHome } from "../../src/storage/home.js";
import type { TenantStore } from "../../src/storage/tenant-store.js";
import { startTestDeployment, type TestDeployment } from "../support/engine.js";
import { newChunk, newDocument, openTestHome, openTestStore, testEmbedding } from "../support/homes.js";
import { contextOf, policies } from "../support/tenants.js";

let deployment: TestDeployment;
let servers: readonly TenantHome[];
beforeAll(async () => {
  deployment = await startTestDeployment();
  servers = [await openTestHome(deployment, { suffix: "totals", serverId: "s1" }), await openTestHome(deployment, { suffix: "totals", serverId: "s2" })];
});
afterAll(() => deployment.close());

const step = fc.record({
  kind: fc.constantFrom("ADD", "ADD", "ADD", "PUBLISH", "PUBLISH", "REMOVE", "FAIL", "RETRY", "WEIGH", "WEIGH", "UNWEIGH", "GIVE_UP"),
  server: fc.integer({ min: 0, max: 1 }),
  document: fc.integer({ min: 0, max: 3 }),
  size: fc.integer({ min: 0, max: 5 }),
});
type Step = typeof step extends fc.Arbitrary<infer Value> ? Value : never;

const caps = { ...policies.PRO, maxDocuments: 2, maxChunks: 5, maxBytes: 120 };

function run(store: TenantStore, id: DocumentId, { kind, size }: Step): Promise<unknown> {
  const { adapters } = store;
  const adapter = `adp${id.slice(3)}` as AdapterId;
  switch (kind) {
    case "WEIGH":
      return adapters.weights.begin({ id: adapter, name: "w", baseModel: "m", bytes: size * 20, sha256: "0".repeat(64), pieces: 1 }, caps);
    case "UNWEIGH":
      return adapters.remove(adapter);
    case "GIVE_UP":
      return adapters.weights.giveUp(adapter, "import");
    case "ADD":
      return store.documents.add(newDocument({ id, raw: Buffer.alloc(size * 20) }), caps);
    case "PUBLISH":
      return store.documents.publish(id, Array.from({ length: size }, (_, n) => newChunk(n, [1, n, 0, 0], { length: n + 1 })), testEmbedding, caps);
    case "REMOVE":
      return store.documents.remove(id);
    case "FAIL":
      return store.documents.markFailed(id, { code: "INTERNAL", message: "x" });
    default:
      return store.documents.retry(id);
  }
}

describe("the totals of a tenant", () => {
  it("equal the rows they count and stay within the caps, whatever two servers do at the same time", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.array(step, { minLength: 1, maxLength: 6 }), { minLength: 1, maxLength: 4 }), async (rounds) => {
        const context = contextOf(`t${randomBytes(6).toString("hex")}`);
        const ids = Array.from({ length: 4 }, () => newId<DocumentId>("document"));
        const stores: TenantStore[] = [];
        for (const home of servers) stores.push(await openTestStore(home, context));
        for (const round of rounds) {
          const outcomes = await Promise.allSettled(round.map((one) => run(stores[one.server] as TenantStore, ids[one.document] as DocumentId, one)));
          const surprises = outcomes.filter((outcome) => outcome.status === "rejected" && !["CONFLICT", "NOT_FOUND", "LIMIT_EXCEEDED"].includes((outcome.reason as { code: string }).code));
          expect(surprises).toEqual([]);
          await expectTotalsToAgree(context.tenantId);
        }
      }),
      { numRuns: 20 },
    );
  });
});

async function expectTotalsToAgree(tenantId: string): Promise<void> {
  const db = servers[0]?.database.db;
  const rows = (name: string) => db?.collection(name).find({ tenant_id: tenantId }).toArray() ?? Promise.resolve([]);
  const [documents, raws, chunks, adapters, [totals]] = await Promise.all([rows("documents"), rows("raw_documents"), rows("chunks"), rows("adapters"), rows("totals")]);
  // Without a single write that got as far as the fence there is no row yet.
  if (totals === undefined) return void expect(documents).toEqual([]);
  expect(raws).toHaveLength(documents.length);
  expect({ documents: totals["documents"], bytes: totals["bytes"], chunks: totals["chunks"], length: totals["length_sum"] }).toEqual({
    documents: documents.length,
    bytes: sum(documents.map((row) => row["bytes"])) + sum(adapters.filter((row) => row["state"] === "UPLOADING").map((row) => row["weights_bytes"])),
    chunks: chunks.length,
    length: sum(chunks.map((row) => row["length"])),
  });
  for (const document of documents) {
    const versions = chunks.filter((chunk) => `${tenantId}/${chunk["document_id"]}` === document._id.toString()).map((chunk) => chunk["version"]);
    expect(versions).toEqual(Array.from({ length: Number(document["chunk_count"]) }, () => document["version"]));
  }
  expect(documents.length).toBeLessThanOrEqual(caps.maxDocuments);
  expect(chunks.length).toBeLessThanOrEqual(caps.maxChunks);
  expect(totals["bytes"]).toBeLessThanOrEqual(caps.maxBytes);
}

function sum(values: readonly unknown[]): number {
  return values.reduce<number>((total, value) => total + Number(value), 0);
}
