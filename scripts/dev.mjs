// The server, restarted when a source changes, and the console on Vite's server, which hands the API on to it.
import { spawn } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const run = (args) => spawn(process.execPath, args, { cwd: root, stdio: "inherit" });
const children = [
  run([join(root, "node_modules/tsx/dist/cli.mjs"), "watch", "--exclude", "src/console/**", "src/main.ts"]),
  run([join(root, "node_modules/vite/bin/vite.js"), "--config", "src/console/vite.config.ts"]),
];

// One without the other is of no use: the first to end takes the other with it.
for (const child of children) {
  child.once("exit", (code) => {
    for (const other of children) other.kill("SIGTERM");
    process.exitCode ||= code ?? 0;
  });
}
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => children.forEach((child) => child.kill(signal)));
