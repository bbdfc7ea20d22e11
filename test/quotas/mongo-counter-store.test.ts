import { expect, it } from "vitest";
import { openMongoCounterStore } from "../../src/quotas/mongo-counter-store.js";
import { startTestDeployment } from "../support/engine.js";
import { describeCounterStore } from "./counter-store-contract.js";

describeCounterStore("MongoDB", async () => {
  const deployment = await startTestDeployment();
  const database = deployment.database("limits");
  const one = await openMongoCounterStore({ client: deployment.client, database });
  const other = await openMongoCounterStore({ client: await deployment.connect(), database });
  return { one, other, close: () => deployment.close() };
});

it("refuses to start without its unique index, since two first takes would then count apart", async () => {
  const deployment = await startTestDeployment();
  try {
    const database = deployment.database("dup");
    await deployment.client.db(database).collection("limits").insertMany([{ key: "a" }, { key: "a" }]);
    await expect(openMongoCounterStore({ client: deployment.client, database })).rejects.toMatchObject({ code: 11_000 });
  } finally {
    await deployment.close();
  }
});
