import { randomBytes } from "node:crypto";
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { calculateJwkThumbprint, exportJWK, generateKeyPair, importJWK, SignJWT, type CryptoKey, type JWK } from "jose";
import { internal } from "../kernel/errors.js";
import { parseTenantId, parseUserId } from "../kernel/ids.js";
import { makeFileOnce } from "../kernel/make-file-once.js";
import type { TenantRole } from "../tenancy/verified-caller.js";
import type { Tier } from "../tenancy/tier-policy.js";

/** The key that signs tokens on a developer's machine. Configuration refuses it in production. */
export interface DevelopmentKey {
  readonly publicJwk: JWK;
  readonly privateKey: CryptoKey;
}

export interface DevelopmentTokenInput {
  readonly issuer: string;
  /** Of the tenants or of the operators, as `kind` says. */
  readonly audience: string;
  readonly userId: string;
  /** Seconds from now. */
  readonly ttlSeconds: number;
  readonly subject:
    | { readonly kind: "TENANT"; readonly tenantId: string; readonly roles: readonly TenantRole[]; readonly tier?: Tier }
    | { readonly kind: "OPERATOR" };
}

const fileName = "development-key.json";

/** The key in `dataDir`, made on first use and readable by its owner alone. Safe when several processes start at once. */
export async function loadOrCreateDevelopmentKey(dataDir: string): Promise<DevelopmentKey> {
  const path = join(dataDir, fileName);
  await mkdir(dataDir, { recursive: true });
  const text = (await readIfThere(path)) ?? (await createOrRead(path));
  const jwk = JSON.parse(text) as JWK;
  const key = await importJWK(jwk, "EdDSA");
  if (key instanceof Uint8Array || jwk.d === undefined) throw internal(`${fileName} holds no private Ed25519 key`);
  const { d: _private, ...publicJwk } = jwk;
  return { publicJwk: { ...publicJwk, alg: "EdDSA", use: "sig" }, privateKey: key };
}

/** A token for a person to paste. Throws `BAD_USER_INPUT` for a tenant or user that no token may name. */
export async function signDevelopmentToken(key: DevelopmentKey, input: DevelopmentTokenInput): Promise<string> {
  const { subject } = input;
  const claims =
    subject.kind === "OPERATOR"
      ? { roles: ["operator"] }
      : { tenant_id: parseTenantId(subject.tenantId), roles: [...subject.roles], ...(subject.tier === undefined ? {} : { tier: subject.tier }) };
  const now = Math.floor(Date.now() / 1_000);
  return new SignJWT(claims)
    .setProtectedHeader({ alg: "EdDSA", typ: "JWT", ...(key.publicJwk.kid === undefined ? {} : { kid: key.publicJwk.kid }) })
    .setIssuer(input.issuer)
    .setAudience(input.audience)
    .setSubject(parseUserId(input.userId))
    .setIssuedAt(now)
    .setExpirationTime(now + input.ttlSeconds)
    .setJti(randomBytes(12).toString("base64url"))
    .sign(key.privateKey);
}

/** Written aside and linked into place: a reader never sees half a key, and the first of several writers wins. */
async function createOrRead(path: string): Promise<string> {
  const { privateKey } = await generateKeyPair("EdDSA", { crv: "Ed25519", extractable: true });
  const jwk = await exportJWK(privateKey);
  const text = JSON.stringify({ ...jwk, kid: await calculateJwkThumbprint(jwk) });
  await makeFileOnce(path, text);
  return (await readIfThere(path)) ?? text;
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
