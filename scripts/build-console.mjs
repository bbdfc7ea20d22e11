// Builds the console when one of its sources is newer than the build. `--always` builds without looking.
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const source = join(root, "src", "console");
const built = join(root, "dist", "console", "index.html");

/** Returns false when the build failed; its reasons are on stderr then. */
export function buildConsoleIfStale() {
  return isConsoleStale() ? buildConsole() : true;
}

export function isConsoleStale() {
  return !existsSync(built) || newestIn(source) > statSync(built).mtimeMs;
}

/** Vite in a process of its own: it stays in no server's memory. */
function buildConsole() {
  const vite = join(root, "node_modules", "vite", "bin", "vite.js");
  if (!existsSync(vite)) return process.stderr.write("bulkhead: The dependencies are not installed: run npm ci first\n") && false;
  const result = spawnSync(process.execPath, [vite, "build", "--config", join(source, "vite.config.ts"), "--logLevel", "warn"], { stdio: ["ignore", "inherit", "inherit"], env: { ...process.env, NODE_ENV: "production" } });
  return result.status === 0;
}

/** Folders count too: a source that was deleted leaves its folder newer than the build. */
function newestIn(folder) {
  return readdirSync(folder, { withFileTypes: true }).reduce((newest, entry) => {
    const path = join(folder, entry.name);
    return Math.max(newest, entry.isDirectory() ? newestIn(path) : statSync(path).mtimeMs);
  }, statSync(folder).mtimeMs);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.exitCode = (process.argv.includes("--always") ? buildConsole() : buildConsoleIfStale()) ? 0 : 1;
