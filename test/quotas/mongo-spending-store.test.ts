import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { isRefusal } from "../../src/kernel/refusal.js";
import type { SpendingStore } from "../../src/storage/control/spending-rows.js";
import { MongoSpendingStore, type SpendingDocument } from "../../src/storage/control/spending-store.js";
import { declareCollections } from "../../src/storage/declare-collections.js";
import { MemoryLedger } from "../metering/spend-fixtures.js";
import { startTestDeployment, type TestDeployment } from "../support/engine.js";
import { held, openServer, spend, TestClock, withBudget } from "./budget-fixtures.js";

describe("the spending row in MongoDB", () => {
  let deployment: TestDeployment;
  let stores: SpendingStore[];
  beforeAll(async () => {
    deployment = await startTestDeployment();
    const database = deployment.database("spending");
    await declareCollections(deployment.client.db(database), "CONTROL", "POOL", { model: "m", dimensions: 2 });
    const clients = [deployment.client, await deployment.connect(), await deployment.connect()];
    stores = clients.map((client) => new MongoSpendingStore(client.db(database).collection<SpendingDocument>("spending")));
  });
  afterAll(() => deployment.close());

  it("is not overspent by 500 concurrent calls of three servers, used to its edge, and settled to the ledger", async () => {
    const shared = { ledger: new MemoryLedger(), clock: new TestClock() };
    const servers = stores.map((store) => openServer(store, shared));
    const context = withBudget({ budgetDayMicroUsd: 10_000, budgetMonthMicroUsd: 50_000, concurrentCalls: 400 });
    const answers = await Promise.all(Array.from({ length: 500 }, (_, i) => servers[i % servers.length]?.budgets.reserve(context, 100)));
    const admitted = answers.flatMap((answer) => (answer === undefined || isRefusal(answer) ? [] : [answer]));
    expect(admitted).toHaveLength(100);
    await Promise.all(admitted.map((reservation, i) => spend(shared, reservation, i)));
    await Promise.all(servers.map(({ budgets }) => budgets.close()));
    expect((await openServer(stores[0] as SpendingStore, shared).budgets.view(context))?.day).toMatchObject({ spentMicroUsd: 4_950, reservedMicroUsd: 0 });
  });

  it("takes a budget, keeps it over servers, and is removed with its tenant", async () => {
    const [one, other] = [openServer(stores[0] as SpendingStore), openServer(stores[1] as SpendingStore)];
    const context = withBudget({ budgetDayMicroUsd: undefined }, "globex");
    await one.budgets.set(context, { day: 5_000_000_000, month: 40_000_000_000_000 });
    expect(await other.budgets.view(context)).toMatchObject({ day: { limitMicroUsd: 5_000_000_000 }, month: { limitMicroUsd: 40_000_000_000_000 } });
    held(await other.budgets.reserve(context, 4_999_999_999));
    expect(await one.budgets.reserve(context, 2)).toMatchObject({ limit: "budgetDay" });
    expect(await one.budgets.forget(context.tenantId)).toBe(1);
    expect(await stores[2]?.find(context.tenantId)).toBeUndefined();
  });
});
