/** Evidence of audits, and the one lease that all servers share. */
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { newId } from "../../src/kernel/ids.js";
import type { IsolationReportRow, IsolationReportStore } from "../../src/storage/control/isolation-report-rows.js";
import { MongoIsolationReportStore, type IsolationReportDocument } from "../../src/storage/control/isolation-report-store.js";
import { declareCollections } from "../../src/storage/declare-collections.js";
import { translatingMethods } from "../../src/storage/driver-errors.js";
import { startTestDeployment, type TestDeployment } from "../support/engine.js";
import { testEmbedding } from "../support/homes.js";

describe("reports of isolation audits", () => {
  let deployment: TestDeployment;
  let store: IsolationReportStore;
  const begin = (owner = "one", leaseMs = 60_000): Promise<IsolationReportRow> => store.begin({ id: newId("audit"), trigger: "MANUAL", owner, leaseMs });

  beforeAll(async () => {
    deployment = await startTestDeployment();
    const db = deployment.client.db(deployment.database("audits"));
    await declareCollections(db, "CONTROL", "POOL", testEmbedding);
    store = translatingMethods(new MongoIsolationReportStore(db.collection<IsolationReportDocument>("isolation_reports")));
  });
  afterAll(() => deployment.close());
  afterEach(async () => {
    const running = await store.running();
    if (running !== undefined) for (const owner of ["one", "two"]) await store.record(running.id, owner, { state: "FAILED" }, 1).catch(() => undefined);
  });

  test("one audit runs at a time, on however many servers", async () => {
    const outcomes = await Promise.allSettled(Array.from({ length: 6 }, (_, at) => begin(at % 2 === 0 ? "one" : "two")));
    expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    for (const outcome of outcomes) if (outcome.status === "rejected") expect(outcome.reason).toMatchObject({ code: "CONFLICT" });
  });

  test("what was recorded last stands, and an audit that has ended takes no further word", async () => {
    const { id } = await begin();
    await store.record(id, "one", { probes: 7, leaks: 0 }, 60_000);
    const findings = [{ surface: "lists", operation: "Query.documents", description: "shown", at: new Date("2026-03-01T00:00:00Z") }];
    const ended = await store.record(id, "one", { state: "LEAKED", probes: 9, leaks: 1, recall: 1, surfaces: [{ name: "lists", probes: 9, leaks: 1 }], coverage: { fields: 2, covered: 1, uncovered: ["Query.x"] }, findings, finishedAt: new Date() }, 1);
    expect(await store.find(id)).toEqual(ended);
    expect(ended).toMatchObject({ state: "LEAKED", probes: 9, findings, coverage: { uncovered: ["Query.x"] } });
    await expect(store.record(id, "one", { state: "PASSED" }, 1)).rejects.toMatchObject({ code: "CONFLICT" });
    expect((await store.find(id))?.state).toBe("LEAKED");
  });

  test("no other server writes into a run", async () => {
    const { id } = await begin("one");
    await expect(store.record(id, "two", { state: "PASSED" }, 1)).rejects.toMatchObject({ code: "CONFLICT" });
  });

  test("a run whose server has died ends FAILED, never PASSED, and the next one can begin", async () => {
    const { id } = await begin("one", 20);
    await sleep(60);
    await expect(begin("two")).rejects.toMatchObject({ code: "CONFLICT" });
    expect(await store.failAbandoned()).toBe(1);
    expect(await store.find(id)).toMatchObject({ state: "FAILED", failure: "The server that ran it ended before the audit did" });
    await expect(store.record(id, "one", { state: "PASSED" }, 60_000)).rejects.toMatchObject({ code: "CONFLICT" });
    await begin("two");
  });

  test("a leak that was found outlives the server that found it", async () => {
    const { id } = await begin("one", 60_000);
    const findings = [{ surface: "lists", operation: "Query.documents", description: "shown", at: new Date("2026-03-01T00:00:00Z") }];
    await store.record(id, "one", { probes: 9, leaks: 1, findings }, 1);
    await sleep(20);
    expect(await store.failAbandoned()).toBe(1);
    expect(await store.find(id)).toMatchObject({ state: "LEAKED", leaks: 1, findings });
    expect(await store.running()).toBeUndefined();
  });

  test("one that is alive is left alone", async () => {
    await begin("one", 60_000);
    expect(await store.failAbandoned()).toBe(0);
  });

  test("the newest by state and by what began it; pages go from the newest to the oldest without a gap", async () => {
    const made: string[] = [];
    for (const state of ["PASSED", "LEAKED", "PASSED", "FAILED"] as const) {
      const { id } = await begin();
      await store.record(id, "one", { state, finishedAt: new Date() }, 1);
      made.unshift(id);
      await sleep(2);
    }
    expect((await store.latest(["LEAKED"]))?.id).toBe(made[2]);
    expect((await store.latest(["PASSED"], "MANUAL"))?.id).toBe(made[1]);
    expect(await store.latest(["PASSED"], "SCHEDULE")).toBeUndefined();
    const first = await store.page({ first: 3 });
    const second = await store.page({ first: 100, after: first.items.at(-1)?.cursor ?? "" });
    expect([...first.items, ...second.items].slice(0, 4).map(({ item }) => item.id)).toEqual(made);
    expect(first.hasNextPage).toBe(true);
    await expect(store.page({ first: 1, after: "nonsense" })).rejects.toMatchObject({ code: "BAD_USER_INPUT" });
  });
});
