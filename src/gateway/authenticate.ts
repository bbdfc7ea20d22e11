import { unauthenticated } from "../kernel/errors.js";
import type { VerifiedCaller } from "../tenancy/verified-caller.js";
import type { TokenVerifier } from "./token-verifier.js";

/** RFC 6750, 2.1. One space, and the scheme in any case (RFC 9110, 11.1). */
const bearerPattern = /^bearer ([^ ]+)$/i;

/** From an Authorization header to the verified caller. Throws `UNAUTHENTICATED`, `FORBIDDEN`, `SERVICE_UNAVAILABLE`. */
export function authenticate(authorization: string | undefined, verifier: TokenVerifier): Promise<VerifiedCaller> {
  const token = authorization === undefined ? undefined : bearerPattern.exec(authorization)?.[1];
  if (token === undefined) return Promise.reject(unauthenticated());
  return verifier.verify(token);
}
