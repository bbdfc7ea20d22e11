import { createCipheriv, createDecipheriv, createHash, randomBytes } from "node:crypto";

/**
 * What wraps tenants' secrets: keys derived from `MASTER_KEY` and, while it is being replaced, from
 * `MASTER_KEY_PREVIOUS`.
 */
export interface WrappingKeys {
  readonly current: Buffer;
  readonly previous?: Buffer;
}

/** One wrapping of a secret. `by` says which key opens it, so that a wrong master key is told from a damaged row. */
export interface StoredWrap {
  by: string;
  wrapped: Uint8Array;
}

const nonceBytes = 12;
const tagBytes = 16;
/** Enough to tell two keys apart; says nothing of the key, which has 256 bits. */
const keyIdChars = 16;

/** Names a wrapping key without giving it away. */
export function wrappingKeyId(key: Buffer): string {
  return createHash("sha256").update("bulkhead wrapping key\0").update(key).digest("hex").slice(0, keyIdChars);
}

/** What a wrapped key is bound to: it cannot be put into the row of another tenant, name or version. */
export function boundTo(owner: string, name: string, version: number): Buffer {
  return Buffer.from(JSON.stringify([owner, name, version]));
}

/** AES-256-GCM under a random nonce; a deployment wraps far fewer keys than the 2^32 that bound allows (NIST SP 800-38D, 8.3). */
export function wrapKey(by: Buffer, secret: Buffer, bound: Buffer): StoredWrap {
  const nonce = randomBytes(nonceBytes);
  const cipher = createCipheriv("aes-256-gcm", by, nonce).setAAD(bound);
  return { by: wrappingKeyId(by), wrapped: Buffer.concat([nonce, cipher.update(secret), cipher.final(), cipher.getAuthTag()]) };
}

/** Undefined when it was altered, or wrapped by another key or for another row. */
export function unwrapKey(by: Buffer, wrapped: Uint8Array, bound: Buffer): Buffer | undefined {
  if (wrapped.length <= nonceBytes + tagBytes) return undefined;
  const decipher = createDecipheriv("aes-256-gcm", by, wrapped.subarray(0, nonceBytes), { authTagLength: tagBytes }).setAAD(bound);
  decipher.setAuthTag(wrapped.subarray(-tagBytes));
  try {
    return Buffer.concat([decipher.update(wrapped.subarray(nonceBytes, -tagBytes)), decipher.final()]);
  } catch {
    return undefined;
  }
}
