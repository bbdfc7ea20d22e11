import { serviceUnavailable } from "../../src/kernel/errors.js";
import { openHome, type HomeOptions } from "../../src/storage/home.js";
import type { SiloProvider } from "../../src/storage/silo-provider.js";
import type { TestDeployment } from "./engine.js";

/** Of all servers of a test process: as the vault knows it of silos with a key. */
const destroyed = new Set<string>();

/** Throws for a silo that was destroyed, as the real provider does: whoever opens it late must not make it anew. */
export function expectNotDestroyed(database: string): void {
  if (destroyed.has(database)) throw serviceUnavailable("The tenant's database is not there");
}

/** For who began to open it before it was destroyed, and made it anew. */
export async function undoIfDestroyed(deployment: TestDeployment, database: string): Promise<void> {
  if (!destroyed.has(database)) return;
  await deployment.client.db(database).dropDatabase();
  expectNotDestroyed(database);
}

/** Silos on the test deployment itself, without users of their own. `options` says how one is opened. */
export function testSilos(deployment: TestDeployment, prefix: string, options: (database: string) => HomeOptions): SiloProvider {
  return {
    place: async (tenantId, epoch) => ({ kind: "SILO", database: `${prefix}_${tenantId}_${epoch}` }),
    isolation: async () => ({ credential: "SHARED", keyVersion: 1 }),
    prepare: async (_tenantId, home) => {
      expectNotDestroyed(home.database);
      await (await openHome(options(home.database))).close();
      await undoIfDestroyed(deployment, home.database);
    },
    destroy: async (_tenantId, home) => {
      destroyed.add(home.database);
      const db = deployment.client.db(home.database);
      const found = await db.listCollections({}, { nameOnly: true }).toArray();
      await db.dropDatabase();
      return { database: found.length > 0, user: false, key: false };
    },
  };
}
