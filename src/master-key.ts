import { hkdfSync, randomBytes } from "node:crypto";
import { link, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { badUserInput } from "./kernel/errors.js";

const keyBytes = 32;

/** The deployment's master key: `MASTER_KEY`, or a development key made once under `DATA_DIR`, readable by its owner alone. */
export async function masterKeyOf(config: { readonly masterKey?: Buffer; readonly dataDir: string }): Promise<Buffer> {
  if (config.masterKey !== undefined) return config.masterKey;
  const path = join(config.dataDir, "development-master.key");
  const existing = await readKey(path);
  if (existing !== undefined) return existing;
  const draft = `${path}.${randomBytes(6).toString("hex")}`;
  await writeFile(draft, randomBytes(keyBytes), { mode: 0o600, flag: "wx" });
  try {
    // A link, not a rename: of two servers that start at once the first wins and the second reads its key.
    await link(draft, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  } finally {
    await rm(draft);
  }
  return (await readKey(path)) ?? Promise.reject(badUserInput("DATA_DIR", "a folder whose files vanish", "a folder this server keeps to itself"));
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
