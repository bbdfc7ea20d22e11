import { createCipheriv, createDecipheriv, createHmac, randomFillSync } from "node:crypto";

/**
 * AES-256-GCM of one row. A random 96-bit nonce may be used 2^32 times under one key (NIST SP
 * 800-38D, 8.3); nothing here counts rows, so each row has a key of its own, derived from the
 * tenant's by where the row lies. One row is sealed again a few times in its life, never 2^32.
 */
const nonceBytes = 12;
const tagBytes = 16;
const formatBytes = 1;
/** First byte of a blob: a later form can then be told from this one. */
const format = 1;

/** Drawn in bulk: asking the system for 12 bytes costs more than sealing a short row. */
const noncePool = Buffer.allocUnsafe(nonceBytes * 512);
let poolAt = noncePool.length;

/** Where a row lies. It is authenticated with the row, so a blob pasted anywhere else does not open. */
export function placeOf(tenantId: string, collection: string, id: string, version: number): Buffer {
  return Buffer.from(JSON.stringify([tenantId, collection, id, version]));
}

export function sealBytes(key: Buffer, place: Buffer, plain: Uint8Array): Buffer {
  const nonce = nextNonce();
  const cipher = createCipheriv("aes-256-gcm", rowKey(key, place), nonce, { authTagLength: tagBytes }).setAAD(place);
  return Buffer.concat([Buffer.of(format), nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
}

/** Undefined for what was altered, cut, or sealed for another place or by another key. */
export function openBytes(key: Buffer, place: Buffer, sealed: Uint8Array): Buffer | undefined {
  const bodyAt = formatBytes + nonceBytes;
  // GCM takes shorter tags too: without the bound a cut blob would be checked by a tag that can be guessed.
  if (sealed.length < bodyAt + tagBytes || sealed[0] !== format) return undefined;
  const decipher = createDecipheriv("aes-256-gcm", rowKey(key, place), sealed.subarray(formatBytes, bodyAt), { authTagLength: tagBytes }).setAAD(place);
  decipher.setAuthTag(sealed.subarray(-tagBytes));
  const plain = decipher.update(sealed.subarray(bodyAt, -tagBytes));
  try {
    decipher.final();
  } catch {
    return undefined;
  }
  return plain;
}

function rowKey(key: Buffer, place: Buffer): Buffer {
  return createHmac("sha256", key).update(place).digest();
}

function nextNonce(): Buffer {
  if (poolAt === noncePool.length) {
    randomFillSync(noncePool);
    poolAt = 0;
  }
  poolAt += nonceBytes;
  return Buffer.from(noncePool.subarray(poolAt - nonceBytes, poolAt));
}
