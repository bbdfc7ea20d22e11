/** A silo under a key of its own, and the vault that keeps it, on any deployment. */
import { setTimeout as sleep } from "node:timers/promises";
import { parseTenantId } from "../../src/kernel/ids.js";
import { silentTelemetry } from "../../src/kernel/telemetry.js";
import type { KeyVault } from "../../src/storage/control/control-plane.js";
import { openControlPlane } from "../../src/storage/control/open-control-plane.js";
import { unlockVault } from "../../src/storage/control/unlock-vault.js";
import type { WrappingKeys } from "../../src/storage/control/wrapped-key.js";
import { declareCollections } from "../../src/storage/declare-collections.js";
import { openHome, type TenantHome } from "../../src/storage/home.js";
import { openSiloSealer } from "../../src/storage/sealing/silo-sealer.js";
import { siloKeyName } from "../../src/storage/sealing/silo-key-name.js";
import type { TestDeployment } from "./engine.js";
import { homeOptions, testEmbedding, type TestHomeOptions } from "./homes.js";

export const testWrapping: WrappingKeys = { current: Buffer.alloc(32, 9) };

/** The vault as one more server has it; servers of one `suffix` share what is stored. */
export async function openTestVault(deployment: TestDeployment, suffix = "vault", wrapping = testWrapping): Promise<KeyVault> {
  const db = deployment.client.db(deployment.database(suffix));
  await declareCollections(db, "CONTROL", "POOL", testEmbedding);
  await unlockVault(db, wrapping);
  return openControlPlane(deployment.client, db, wrapping).vault;
}

const slowMs = 100;

/** The same vault, whose every look at a secret takes longer than a query. */
export function slowly(vault: KeyVault): KeyVault {
  return Object.assign(Object.create(vault) as KeyVault, { find: (...asked: Parameters<KeyVault["find"]>) => sleep(slowMs).then(() => vault.find(...asked)) });
}

export interface SealedSiloOptions extends TestHomeOptions {
  readonly owner: string;
  readonly vault: KeyVault;
}

/** Opened anew, it is another server's view of the same silo, with a ring of its own. */
export async function openSealedSilo(deployment: TestDeployment, options: SealedSiloOptions): Promise<TenantHome> {
  const { vault, owner, telemetry = silentTelemetry } = options;
  const tenantId = parseTenantId(owner);
  const database = deployment.database(options.suffix);
  await vault.ensure(tenantId, siloKeyName({ database }));
  const sealer = await openSiloSealer({ tenantId, database, vault, telemetry });
  return openHome({ ...homeOptions(deployment, options), sealer });
}
