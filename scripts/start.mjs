// Builds server and console, each when a source of it is newer than its build, then starts the server in this very process.
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { buildConsoleIfStale, isConsoleStale } from "./build-console.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
const stamp = join(root, "dist", ".tsbuildinfo");
/** Built by another tool, into another folder. */
const consoleSource = join(root, "src", "console");

const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
if (major < 20 || (major === 20 && minor < 19)) fail(`Node ${process.versions.node} is too old: expected 20.19 or later`);

if (isStale()) build();
if (isConsoleStale()) buildConsole();
await import(new URL("../dist/main.js", import.meta.url).href);

function isStale() {
  if (!existsSync(stamp)) return true;
  const builtAt = statSync(stamp).mtimeMs;
  const inputs = [join(root, "tsconfig.json"), join(root, "scripts", "tsconfig.build.json"), join(root, "package.json")];
  return inputs.some((file) => statSync(file).mtimeMs > builtAt) || newerThan(join(root, "src"), builtAt);
}

/** Folders count too: a source that was deleted leaves its folder newer than the build. */
function newerThan(folder, time) {
  if (folder === consoleSource) return false;
  if (statSync(folder).mtimeMs > time) return true;
  return readdirSync(folder, { withFileTypes: true }).some((entry) => {
    const path = join(folder, entry.name);
    return entry.isDirectory() ? newerThan(path, time) : statSync(path).mtimeMs > time;
  });
}

function build() {
  process.stdout.write("Building (about 10 s, once) …\n");
  const tsc = join(root, "node_modules", "typescript", "bin", "tsc");
  if (!existsSync(tsc)) fail("The dependencies are not installed: run npm ci first");
  const result = spawnSync(process.execPath, [tsc, "-p", join(root, "scripts", "tsconfig.build.json")], { stdio: "inherit" });
  if (result.status !== 0) fail("The build failed");
}

function buildConsole() {
  process.stdout.write("Building the console (about 3 s, once) …\n");
  if (!buildConsoleIfStale()) fail("The console's build failed");
}

function fail(message) {
  process.stderr.write(`bulkhead: ${message}\n`);
  process.exit(1);
}
