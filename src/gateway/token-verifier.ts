import { hash } from "node:crypto";
import { createLocalJWKSet, createRemoteJWKSet, errors, jwtVerify, type JWK, type JWTPayload, type JWTVerifyGetKey, type JWTHeaderParameters } from "jose";
import { BulkheadError, forbidden, serviceUnavailable, unauthenticated } from "../kernel/errors.js";
import { parseTenantId, parseUserId } from "../kernel/ids.js";
import type { Telemetry } from "../kernel/telemetry.js";
import type { TenantRole, VerifiedCaller } from "../tenancy/verified-caller.js";

export interface TokenRules {
  readonly issuer: string;
  readonly audience: string;
  readonly operatorAudience: string;
}

export type KeySource = { readonly kind: "JWKS"; readonly uri: string } | { readonly kind: "DEVELOPMENT"; readonly publicJwk: JWK };

/** Asymmetric alone: with HS256 a public key would serve as the secret. `none` is not a signature. */
const algorithms = ["RS256", "ES256", "EdDSA"];

/** A header line of Node's own limit is 16 KB; the largest honest tokens seen are half of this. */
const tokenCharsMax = 8_192;

/** Three segments of base64url without padding. jose skips whitespace and padding inside them. */
const compactPattern = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/;

/** How far an issuer's clock may be off. */
const clockToleranceSeconds = 5;

/** A claim cached for longer would outlive a withdrawn key by that much. */
const cacheMsMax = 60_000;
const cacheSizeMax = 10_000;

const tenantRoles: readonly TenantRole[] = ["member", "admin"];

/** From a bearer token to who it speaks for. Nothing else of a request adds to that. */
export class TokenVerifier {
  readonly #key: JWTVerifyGetKey;
  readonly #cache = new Map<string, { readonly caller: VerifiedCaller; readonly until: number }>();

  constructor(
    private readonly rules: TokenRules,
    source: KeySource,
    private readonly telemetry: Telemetry,
  ) {
    // Keys are fetched again when a token names an unknown one, at most every 30 s: so rotation needs no restart, and forged key ids cause no flood.
    this.#key = source.kind === "JWKS"
      ? createRemoteJWKSet(new URL(source.uri), { cooldownDuration: 30_000, cacheMaxAge: 600_000, timeoutDuration: 5_000 })
      : createLocalJWKSet({ keys: [source.publicJwk] });
  }

  /** Throws `UNAUTHENTICATED`, `FORBIDDEN` for roles the token may not carry, `SERVICE_UNAVAILABLE` when keys cannot be fetched. */
  async verify(token: string): Promise<VerifiedCaller> {
    if (token.length > tokenCharsMax) throw unauthenticated(`The token has ${token.length} characters, expected at most ${tokenCharsMax}`);
    // By digest, and only of tokens that were canonical: another spelling of one has another digest, and is looked at anew.
    const digest = hash("sha256", token, "base64url");
    const known = this.#cache.get(digest);
    if (known !== undefined && known.until > Date.now()) return known.caller;
    assertCanonical(token);
    const caller = await this.#verifyFresh(token);
    this.#remember(digest, caller);
    return caller;
  }

  async #verifyFresh(token: string): Promise<VerifiedCaller> {
    const { issuer, audience, operatorAudience } = this.rules;
    try {
      const { payload, protectedHeader } = await jwtVerify(token, this.#key, {
        algorithms, issuer, audience: [audience, operatorAudience], clockTolerance: clockToleranceSeconds, requiredClaims: ["exp", "iat", "sub"],
      });
      assertHeader(protectedHeader);
      assertTimes(payload);
      return this.#toCaller(payload);
    } catch (error) {
      throw asVerificationError(error);
    }
  }

  #toCaller(payload: JWTPayload): VerifiedCaller {
    const audiences = [payload.aud ?? []].flat();
    const isOperator = audiences.includes(this.rules.operatorAudience);
    if (isOperator && audiences.includes(this.rules.audience)) throw unauthenticated("The token names both audiences, expected one");
    const roles: unknown = payload.roles;
    if (!Array.isArray(roles)) throw unauthenticated("The token's roles are missing or no list");
    const userId = parseUserId(payload.sub);
    const expiresAt = payload.exp ?? 0;
    if (isOperator) {
      if (payload.tenant_id !== undefined) throw forbidden("An operator's token names a tenant");
      if (roles.length !== 1 || roles[0] !== "operator") throw forbidden("An operator's token must carry the role operator alone");
      return Object.freeze({ kind: "OPERATOR", userId, expiresAt });
    }
    const tenantId = parseTenantId(payload.tenant_id);
    if (roles.includes("operator")) {
      this.telemetry.alarm("operator_role_in_tenant_token", { tenantId, jti: typeof payload.jti === "string" ? payload.jti.slice(0, 64) : undefined });
      throw forbidden("The role operator does not come from a tenant's token");
    }
    if (!roles.every((role): role is TenantRole => tenantRoles.some((known) => known === role))) throw forbidden("The token carries an unknown role");
    return Object.freeze({ kind: "TENANT", tenantId, userId, roles: Object.freeze([...new Set(roles)]), expiresAt });
  }

  #remember(digest: string, caller: VerifiedCaller): void {
    if (this.#cache.size >= cacheSizeMax) {
      const oldest = this.#cache.keys().next();
      if (!oldest.done) this.#cache.delete(oldest.value);
    }
    this.#cache.set(digest, { caller, until: Math.min(Date.now() + cacheMsMax, caller.expiresAt * 1_000) });
  }
}

/** Re-encodes each segment: base64url leaves unused bits at its end, so several texts decode to the same bytes. */
function assertCanonical(token: string): void {
  if (!compactPattern.test(token)) throw unauthenticated("The token is no compact JWT in base64url");
  for (const segment of token.split(".")) {
    if (Buffer.from(segment, "base64url").toString("base64url") !== segment) throw unauthenticated("The token is not in canonical base64url");
  }
}

/**
 * `typ` may be absent, as RFC 7519 lets it be and several issuers do; a token typed as anything but
 * an access token is refused (RFC 8725, 3.11). No extension is understood, so `crit` is refused.
 */
function assertHeader(header: JWTHeaderParameters): void {
  if (header.crit !== undefined) throw unauthenticated("The token has a critical extension, expected none");
  const type = header.typ?.toLowerCase().replace(/^application\//, "");
  if (type !== undefined && type !== "jwt" && type !== "at+jwt") throw unauthenticated("The token's typ is neither JWT nor at+jwt");
}

function assertTimes({ iat = 0, exp = 0 }: JWTPayload): void {
  const now = Date.now() / 1_000;
  if (iat > now + clockToleranceSeconds) throw unauthenticated("The token was issued in the future");
  if (exp <= iat) throw unauthenticated("The token expires before it was issued");
}

/** Which check failed is told in general terms only: the caller has no use for more, a forger has. */
function asVerificationError(error: unknown): BulkheadError {
  if (error instanceof BulkheadError) return error.code === "BAD_USER_INPUT" ? unauthenticated("The token names no valid tenant or user") : error;
  if (error instanceof errors.JWTExpired) return unauthenticated("The token has expired");
  // jose's plain JOSEError and anything that is not jose's comes from fetching keys.
  const isKeyFetch = error instanceof errors.JWKSTimeout || !(error instanceof errors.JOSEError) || error.code === "ERR_JOSE_GENERIC";
  return isKeyFetch ? serviceUnavailable("The issuer's keys cannot be fetched", 1_000, error) : unauthenticated("The token is not valid");
}
