import { randomBytes } from "node:crypto";
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { badUserInput } from "./kernel/errors.js";
import { makeFileOnce } from "./kernel/make-file-once.js";

const idPattern = /^[A-Za-z0-9_-]{16}$/;

/**
 * This server's name, kept in its folder across starts: stripes of a fence are named after it, and a
 * new name at each start would leave one behind in every tenant.
 */
export async function serverIdOf(dataDir: string): Promise<string> {
  const path = join(dataDir, "server-id");
  const existing = await readId(path);
  if (existing !== undefined) return existing;
  await makeFileOnce(path, randomBytes(12).toString("base64url"));
  return (await readId(path)) ?? Promise.reject(badUserInput("DATA_DIR", "a folder whose files vanish", "a folder this server keeps to itself"));
}

async function readId(path: string): Promise<string | undefined> {
  try {
    const id = (await readFile(path, "utf8")).trim();
    if (idPattern.test(id)) return id;
    // A server killed while it wrote the file left it empty: that is no name.
    await rm(path, { force: true });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
  return undefined;
}
