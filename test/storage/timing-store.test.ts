import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseTenantId } from "../../src/kernel/ids.js";
import { MongoTenantTraces } from "../../src/storage/control/tenant-traces.js";
import type { TimingRow } from "../../src/storage/control/timing-rows.js";
import { MongoTimingStore, type TimingDocument } from "../../src/storage/control/timing-store.js";
import { declareCollections } from "../../src/storage/declare-collections.js";
import { translatingMethods } from "../../src/storage/driver-errors.js";
import { startTestDeployment, type TestDeployment } from "../support/engine.js";
import { testEmbedding } from "../support/homes.js";

const hour = new Date("2030-03-01T12:00:00Z");
const next = new Date("2030-03-01T13:00:00Z");
const end = new Date("2030-03-01T14:00:00Z");

function rowOf(tenant: string, more: Partial<TimingRow> = {}): TimingRow {
  return {
    tenant, server: "s1", width: "HOUR", from: hour, requests: 3, refusals: 1, total: { ms: 30.5, buckets: [40, 2, 41, 1] }, queueWaitMs: 4,
    stages: [{ name: "embed", ms: 12, buckets: [30, 3] }, { name: "queue_wait", ms: 4, buckets: [] }],
    held: [{ stage: "queue_wait", tenant: "globex", work: "INGEST", ms: 3 }, { stage: "queue_wait", work: "OTHERS", ms: 1 }],
    expiresAt: new Date("2040-01-01T00:00:00Z"), ...more,
  };
}

describe("timings of requests in the control plane", () => {
  let deployment: TestDeployment;
  let db: ReturnType<TestDeployment["client"]["db"]>;
  let store: MongoTimingStore;

  beforeAll(async () => {
    deployment = await startTestDeployment();
    db = deployment.client.db(deployment.database("timings"));
    await declareCollections(db, "CONTROL", "POOL", testEmbedding);
    store = translatingMethods(new MongoTimingStore(db.collection<TimingDocument>("request_timings"), db.collection<{ _id: string }>("erasures")));
  });
  afterAll(() => deployment.close());

  const read = (tenant?: string) => store.read({ width: "HOUR", from: hour, to: next, ...(tenant === undefined ? {} : { tenant }) }, 100);

  it("are read as they were written; a row takes the place of the one before, and no other server's", async () => {
    await store.save([rowOf("acme")]);
    await store.save([rowOf("acme", { requests: 5 }), rowOf("acme", { server: "s2", requests: 7 })]);
    const rows = await read("acme");
    expect(rows.map(({ requests }) => requests).toSorted()).toEqual([5, 7]);
    expect(rows.find(({ server }) => server === "s1")).toEqual(rowOf("acme", { requests: 5 }));
  });

  it("are those of the width and the range that was asked for, the latest first, and no more", async () => {
    await store.save([rowOf("initech"), rowOf("initech", { from: next }), rowOf("initech", { width: "FINE" })]);
    expect((await store.read({ width: "HOUR", from: hour, to: end, tenant: "initech" }, 100)).map(({ from }) => from)).toEqual([next, hour]);
    expect((await store.read({ width: "HOUR", from: hour, to: end, tenant: "initech" }, 1)).map(({ from }) => from)).toEqual([next]);
    expect(await store.read({ width: "FINE", from: next, to: end }, 100)).toEqual([]);
  });

  it("come without the stages' histograms when only sums are wanted", async () => {
    const [row] = await store.readTotals({ width: "HOUR", from: hour, to: next, tenant: "acme" }, 1);
    expect(row?.total.buckets).toEqual([40, 2, 41, 1]);
    expect(row?.stages).toEqual([{ name: "embed", ms: 12, buckets: [] }, { name: "queue_wait", ms: 4, buckets: [] }]);
    expect(row?.held.length).toBe(2);
  });

  it("refuse a row of another shape", async () => {
    await expect(store.save([rowOf("acme", { width: "WEEK" as "HOUR" })])).rejects.toThrow();
    await expect(store.save([rowOf("acme", { requests: -1 })])).rejects.toThrow();
  });

  it("go with an erased tenant, also where it held up others, and a server that slept does not bring them back", async () => {
    const globex = parseTenantId("globex");
    const traces = new MongoTenantTraces(db.collection("placement_moves"), db.collection("usage"), db.collection<TimingDocument>("request_timings"));
    await store.save([rowOf("globex"), rowOf("hooli")]);
    expect(await traces.countTimings(globex)).toBeGreaterThanOrEqual(2);
    await db.collection<{ _id: string }>("erasures").insertOne({ _id: "globex" }, { bypassDocumentValidation: true });
    await traces.removeTimings(globex);
    expect(await traces.countTimings(globex)).toBe(0);
    expect((await read("hooli"))[0]).toMatchObject({ requests: 3, held: [{ work: "OTHERS", ms: 1 }] });
    expect(await store.save([rowOf("globex"), rowOf("hooli", { requests: 9 })])).toEqual(["globex"]);
    expect(await traces.countTimings(globex)).toBe(0);
    expect((await read("hooli"))[0]).toMatchObject({ requests: 9, held: [{ work: "OTHERS", ms: 1 }] });
  });
});
