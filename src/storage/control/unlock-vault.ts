import type { Db } from "mongodb";
import { badUserInput, BulkheadError } from "../../kernel/errors.js";
import { translatingMethods } from "../driver-errors.js";
import { MongoKeyVault } from "./key-vault.js";
import type { SecretDocument } from "./secret-wraps.js";
import type { WrappingKeys } from "./wrapped-key.js";

/** A secret that seals nothing: it is there to be opened at start. */
const probe = "probe";

/**
 * Comes before the first use of the vault. Checks that `MASTER_KEY` is the one the deployment was
 * set up with, and wraps every secret by the present keys: after a start with a new `MASTER_KEY` and
 * the old one as `MASTER_KEY_PREVIOUS`, the old one is not needed any more. Returns how many secrets
 * were wrapped anew. Throws `BAD_USER_INPUT` naming `MASTER_KEY`.
 */
export async function unlockVault(db: Db, keys: WrappingKeys): Promise<number> {
  const vault = translatingMethods(new MongoKeyVault(secretsOf(db), keys));
  try {
    await vault.ensure("_platform", probe);
    return await vault.rewrapAll();
  } catch (error) {
    if (!(error instanceof BulkheadError && error.code === "INTERNAL")) throw error;
    throw badUserInput("MASTER_KEY", "a key that does not open this deployment's secrets", "the key they were made with, here or in MASTER_KEY_PREVIOUS");
  }
}

export function secretsOf(db: Db) {
  return db.collection<SecretDocument>("tenant_secrets");
}
