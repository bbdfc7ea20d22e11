/**
 * A silo gets a new key while it is read and written. The vault is the memory of a rotation: two live
 * versions are an unfinished one, and whoever calls next goes on with it.
 *
 * Reads are right at every moment, because a row says which version opens it and a server that has
 * not heard of it asks the vault (`withKeys`); a search for words asks for every live form, and then
 * whether there is a row of a newer version than it knew (`withAllForms`).
 *
 * Nothing is sealed by the old version once it is destroyed. A server seals inside the transaction
 * that holds its stripe of the fence, and with keys it read at most `ringAgeMsMax` before. So after
 * that time has passed, whoever decides what to seal with takes the new version; only a transaction
 * that decided before, and was paused since, does not. `outwaitWriters` returns behind every one of
 * those. What comes later is new, and what is older is sealed anew, until a fenced look at all of it
 * finds nothing left. A mover writes past the lanes, but only while the fence is closed, and the
 * first and the last step here succeed only while it is open.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { conflict, serviceUnavailable } from "../../kernel/errors.js";
import type { TenantContext } from "../../tenancy/tenant-context.js";
import type { KeyVault } from "../control/control-plane.js";
import type { TenantHome } from "../home.js";
import { ringAgeMsMax } from "./key-ring.js";
import { outwaitWriters } from "./outwait-writers.js";
import { countOlder, resealRowsMax, resealSome, sealedCollections } from "./reseal-rows.js";
import { SiloSealer } from "./silo-sealer.js";
import { siloKeyName } from "./silo-key-name.js";

export interface KeyRotation {
  /** The version that every row is sealed with now; the older ones are destroyed. */
  readonly version: number;
  /** Rows that were sealed anew by this run. */
  readonly rows: number;
}

export interface RotationOptions {
  /** Told the number of rows sealed anew so far, after each batch. May throw to stop; a later call goes on. */
  readonly onProgress?: (rows: number) => void | Promise<void>;
}

/** On top of what a ring may be old, for two clocks that do not run at quite the same rate. */
const marginMs = 200;
/** Looks for rows that were left behind. One is enough by the argument above; more mean that it does not hold. */
const looksMax = 3;

/**
 * Gives a silo a new key and destroys the old one. Takes two to three seconds and then as long as its
 * rows need. Throws `CONFLICT` for a home that is no silo, `FenceRefused` when the tenant is moved
 * meanwhile (call again when it has settled), `SERVICE_UNAVAILABLE`. The context may be a job's.
 */
export async function rotateSiloKey(home: TenantHome, context: TenantContext, epoch: number, vault: KeyVault, options: RotationOptions = {}): Promise<KeyRotation> {
  const { sealer } = home;
  if (!(sealer instanceof SiloSealer)) throw conflict("The tenant has no silo, so it has no key of its own");
  const { tenantId } = context;
  const name = siloKeyName({ database: home.database.db.databaseName });
  await home.write(context, epoch, 0, async () => undefined);
  const version = await newVersion(vault, tenantId, name);
  await sleep(ringAgeMsMax + marginMs);
  await sealer.learn();
  if (sealer.version < version) throw serviceUnavailable("The new key cannot be read yet");
  await outwaitWriters(home.database, tenantId);
  const rows = await resealAll(home, context, epoch, version, options);
  await vault.retireBefore(tenantId, name, version);
  await sealer.learn();
  return { version, rows };
}

async function newVersion(vault: KeyVault, tenantId: TenantContext["tenantId"], name: string): Promise<number> {
  const found = await vault.ensure(tenantId, name);
  const secret = found.versions.length > 1 ? found : await vault.rotate(tenantId, name);
  return secret.versions.at(-1)?.version ?? 0;
}

async function resealAll(home: TenantHome, context: TenantContext, epoch: number, version: number, { onProgress }: RotationOptions): Promise<number> {
  let rows = 0;
  for (let look = 1; look <= looksMax; look += 1) {
    for (const name of sealedCollections) {
      for (;;) {
        const found = await home.write(context, epoch, resealRowsMax[name], (turn) => resealSome(turn, name, version));
        if (found === 0) break;
        rows += found;
        await onProgress?.(rows);
      }
    }
    if ((await home.write(context, epoch, 0, (turn) => countOlder(turn, version))) === 0) return rows;
  }
  throw serviceUnavailable("Rows are still being sealed by the old key");
}
