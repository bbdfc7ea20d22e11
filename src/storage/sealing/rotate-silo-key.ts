import type { KeyVault } from "../control/control-plane.js";
import { internal } from "../../kernel/errors.js";
import type { TenantHome } from "../home.js";
import type { TenantContext } from "../../tenancy/tenant-context.js";

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

/**
 * Gives a silo a new key and destroys the old one, while it is read and written. Takes some seconds
 * and then as long as its rows need. A call that finds an unfinished rotation goes on with it.
 * Throws `CONFLICT` for a home that is no silo, `FenceRefused` when the tenant is moved meanwhile
 * (call again when it has settled), `SERVICE_UNAVAILABLE`.
 */
export async function rotateSiloKey(home: TenantHome, context: TenantContext, epoch: number, vault: KeyVault, options: RotationOptions = {}): Promise<KeyRotation> {
  throw internal("Key rotation is being written", { home, context, epoch, vault, options });
}
