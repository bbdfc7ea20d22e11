import { randomBytes } from "node:crypto";
import { link, rm, writeFile } from "node:fs/promises";

/**
 * Makes a file that is its owner's alone, unless there is one: of two processes that start at once
 * the first wins, and none ever reads half a file. Whoever called reads it back: it may be the other's.
 */
export async function makeFileOnce(path: string, content: string | Uint8Array): Promise<void> {
  const draft = `${path}.${randomBytes(6).toString("hex")}`;
  await writeFile(draft, content, { mode: 0o600, flag: "wx" });
  try {
    // A link, not a rename: a rename would replace what another process has read already.
    await link(draft, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  } finally {
    await rm(draft);
  }
}
