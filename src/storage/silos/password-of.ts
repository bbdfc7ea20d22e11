import { internal } from "../../kernel/errors.js";
import type { TenantSecret } from "../control/control-plane.js";

/** A database user's password: the newest version of a secret, in letters that need no preparation (RFC 4013) and no escape. */
export function passwordOf({ versions }: TenantSecret): string {
  const newest = versions.at(-1);
  if (newest === undefined) throw internal("A secret has no version");
  return newest.key.toString("base64url");
}
