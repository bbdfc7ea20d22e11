import { afterAll, beforeAll } from "vitest";
import { siloKeyName } from "../../src/storage/sealing/silo-key-name.js";
import { startTestDeployment, type TestDeployment } from "../support/engine.js";
import { openTestHome, openTestStore } from "../support/homes.js";
import { openSealedSilo, openTestVault } from "../support/sealed-silo.js";
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

tenantStoreContract("silo under the tenant's key", async () => {
  const home = await openSealedSilo(deployment, { suffix: "sealed", owner: "acme", vault: await openTestVault(deployment) });
  return openTestStore(home, contextOf("acme"));
});

tenantStoreContract("silo while its key is being replaced", async () => {
  const vault = await openTestVault(deployment);
  const context = contextOf("acme");
  const before = await openTestStore(await openSealedSilo(deployment, { suffix: "replaced", owner: "acme", vault }), context);
  // Rows of the older key are there and have the same words; none of the suite's answers may come from them twice, or not at all.
  await before.conversationsOf(contextOf("acme", { user: "someone-else" }).userId).start("Of the older key");
  await vault.rotate(context.tenantId, siloKeyName({ database: deployment.database("replaced") }));
  return openTestStore(await openSealedSilo(deployment, { suffix: "replaced", owner: "acme", vault, serverId: "server-2" }), context);
});
