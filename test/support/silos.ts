import { openHome, type HomeOptions } from "../../src/storage/home.js";
import type { SiloProvider } from "../../src/storage/silo-provider.js";
import type { TestDeployment } from "./engine.js";

/** Silos on the test deployment itself, without users of their own. `options` says how one is opened. */
export function testSilos(deployment: TestDeployment, prefix: string, options: (database: string) => HomeOptions): SiloProvider {
  return {
    place: async (tenantId, epoch) => ({ kind: "SILO", database: `${prefix}_${tenantId}_${epoch}` }),
    isolation: async () => ({ credential: "SHARED", keyVersion: 1 }),
    prepare: async (_tenantId, home) => {
      await (await openHome(options(home.database))).close();
    },
    destroy: async (_tenantId, home) => {
      const db = deployment.client.db(home.database);
      const found = await db.listCollections({}, { nameOnly: true }).toArray();
      await db.dropDatabase();
      return { database: found.length > 0, user: false, key: false };
    },
  };
}
