import { afterAll, beforeAll } from "vitest";
import { startTestDeployment, type TestDeployment } from "../support/engine.js";
import { openTestHome, openTestStore } from "../support/homes.js";
import { contextOf } from "../support/tenants.js";
import { tenantStoreContract } from "./tenant-store.contract.js";

let deployment: TestDeployment;
beforeAll(async () => {
  deployment = await startTestDeployment();
});
afterAll(() => deployment.close());

tenantStoreContract("pool", async () => {
  const home = await openTestHome(deployment, { suffix: "pool" });
  // A neighbour with the same kind of data must not change a single answer.
  const neighbour = await openTestStore(home, contextOf("neighbour"));
  await neighbour.conversationsOf(contextOf("neighbour").userId).start("Not yours");
  return openTestStore(home, contextOf("acme"));
});

tenantStoreContract("silo", async () => {
  const home = await openTestHome(deployment, { suffix: "silo", owner: "acme" });
  return openTestStore(home, contextOf("acme"));
});
