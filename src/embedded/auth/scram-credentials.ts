/*
 * What is kept of a password: salt, iterations, StoredKey and ServerKey; never the password itself.
 * Specs: RFC 5802 section 3, RFC 7677 (SCRAM-SHA-256).
 */
import { createHash, createHmac, pbkdf2, randomBytes } from "node:crypto";
import { promisify } from "node:util";
import { badValue } from "../engine/errors.js";

export const MECHANISM = "SCRAM-SHA-256";
/** MongoDB's own `scramSHA256IterationCount`: about 5 ms of work, paid by the client. */
export const ITERATIONS = 15_000;
/** MongoDB's salt: a SHA-256 block less the four bytes PBKDF2 appends. */
const SALT_BYTES = 28;
const HASH_BYTES = 32;

export interface ScramCredentials {
  readonly salt: Buffer;
  readonly iterations: number;
  readonly storedKey: Buffer;
  readonly serverKey: Buffer;
}

const stretch = promisify(pbkdf2);

export function freshSalt(): Buffer {
  return randomBytes(SALT_BYTES);
}

/** A salt that looks like any other and is the same each time it is asked for. */
export function derivedSalt(secret: Buffer, text: string): Buffer {
  return hmac(secret, text).subarray(0, SALT_BYTES);
}

/** Off the event loop, in libuv's pool. */
export async function deriveCredentials(password: string, salt: Buffer, iterations = ITERATIONS): Promise<ScramCredentials> {
  const salted = await stretch(password, salt, iterations, HASH_BYTES, "sha256");
  return { salt, iterations, storedKey: sha256(hmac(salted, "Client Key")), serverKey: hmac(salted, "Server Key") };
}

/**
 * Drivers prepare a password with SASLprep (RFC 4013) before they hash it. Printable ASCII is what it leaves alone;
 * anything else would be hashed here differently than there, and never match.
 */
export function checkedPassword(password: unknown): string {
  if (typeof password !== "string" || password === "") throw badValue("Got no password, expected a non-empty string in 'pwd'");
  if (!/^[\x20-\x7e]+$/.test(password)) throw badValue("Got a password with characters other than printable ASCII, which this engine does not prepare with SASLprep");
  return password;
}

export function sha256(bytes: Buffer): Buffer {
  return createHash("sha256").update(bytes).digest();
}

export function hmac(key: Buffer, text: string): Buffer {
  return createHmac("sha256", key).update(text, "utf8").digest();
}
