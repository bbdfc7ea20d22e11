/*
 * One process owns a data directory: two engines on the same files would not see each other's locks.
 * Before it: start-engine.ts; after it: engine.ts.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const LOCK_FILE = "engine.lock";

/** Returns the way to give the directory back. Throws Error in one clear line when it is in use. */
export function lockDirectory(dir: string): () => void {
  mkdirSync(dir, { recursive: true });
  const path = join(dir, LOCK_FILE);
  const own = `${process.pid} ${startOf(process.pid)}\n`;
  for (let attempt = 0; attempt < 3; attempt += 1) {
    if (tryCreate(path, own)) return () => rmSync(path, { force: true });
    const holder = holderOf(path);
    if (holder !== undefined) throw new Error(`The data directory '${dir}' is in use by process ${holder}, expected one engine for a directory`);
    rmSync(path, { force: true });
  }
  throw new Error(`The data directory '${dir}' could not be locked`);
}

function tryCreate(path: string, content: string): boolean {
  try {
    writeFileSync(path, content, { flag: "wx" });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

/** The living process in the lock file; a killed one leaves its file behind. */
function holderOf(path: string): number | undefined {
  const [pidText, start] = readOrEmpty(path).trim().split(" ");
  const pid = Number(pidText);
  if (!Number.isInteger(pid) || pid <= 0 || !isAlive(pid)) return undefined;
  // A number used again by another process has another start time.
  return start === startOf(pid) ? pid : undefined;
}

function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return "";
    throw error;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/** Clock ticks since boot at which the process began, where the system tells; else a constant. */
function startOf(pid: number): string {
  const stat = process.platform === "linux" ? readOrEmpty(`/proc/${pid}/stat`) : "";
  const afterName = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  // Field 22 of proc(5); the name in field 2 may hold spaces, so counting starts behind it.
  return afterName[19] ?? "unknown";
}
