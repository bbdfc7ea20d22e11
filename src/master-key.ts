import { hkdfSync, randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { badUserInput } from "./kernel/errors.js";
import { makeFileOnce } from "./kernel/make-file-once.js";

const keyBytes = 32;
const wrapping = "key vault";

/** The deployment's master key: `MASTER_KEY`, or a development key made once under `DATA_DIR`, readable by its owner alone. */
export async function masterKeyOf(config: { readonly masterKey?: Buffer; readonly dataDir: string }): Promise<Buffer> {
  if (config.masterKey !== undefined) return config.masterKey;
  const path = join(config.dataDir, "development-master.key");
  const existing = await readKey(path);
  if (existing !== undefined) return existing;
  await makeFileOnce(path, randomBytes(keyBytes));
  return (await readKey(path)) ?? Promise.reject(badUserInput("DATA_DIR", "a folder whose files vanish", "a folder this server keeps to itself"));
}

/** What wraps tenants' keys: derived from the master key and, while that is being replaced, from the one before it. */
export function wrappingKeysOf(master: Buffer, previous: Buffer | undefined): { readonly current: Buffer; readonly previous?: Buffer } {
  return { current: deriveKey(master, wrapping), ...(previous === undefined ? {} : { previous: deriveKey(previous, wrapping) }) };
}

/** A key for one purpose. Knowing one tells nothing of the others or of the master (RFC 5869). */
export function deriveKey(master: Buffer, purpose: string): Buffer {
  return Buffer.from(hkdfSync("sha256", master, Buffer.alloc(0), `bulkhead ${purpose}`, keyBytes));
}

async function readKey(path: string): Promise<Buffer | undefined> {
  try {
    const key = await readFile(path);
    if (key.length !== keyBytes) throw badUserInput(path, `${key.length} bytes`, `${keyBytes} bytes`);
    return key;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
