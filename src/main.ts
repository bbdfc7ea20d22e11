/** The process: environment in, one line out when it cannot start, a drain when it is asked to stop. */
import { startApp, type App } from "./app.js";
import { parseConfig } from "./config.js";
import { BulkheadError } from "./kernel/errors.js";

const say = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

function fail(error: unknown): never {
  process.stderr.write(`bulkhead: cannot start: ${lineOf(error)}\n`);
  process.exit(1);
}

function lineOf(error: unknown): string {
  if (error instanceof BulkheadError) return error.message;
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === "EADDRINUSE") return `PORT: the port is taken by another process (${message}), expected a free one`;
  if (message.startsWith("The data directory ")) return `DATA_DIR: ${message}`;
  if (code === "EACCES" || code === "EROFS" || code === "ENOTDIR" || code === "EPERM") return `DATA_DIR: not writable (${message}), expected a folder this user can write to`;
  return (message ?? String(error)).split("\n")[0] ?? "unknown reason";
}

let app: App;
try {
  app = await startApp(parseConfig(process.env), say);
} catch (error) {
  fail(error);
}
say(app.welcome);

let stopping = false;
const stop = (signal: string): void => {
  // A second signal is a person who does not want to wait.
  if (stopping) process.exit(1);
  stopping = true;
  say(`${signal}: finishing what is under way …`);
  app.close().then(
    () => process.exit(0),
    (error: unknown) => {
      process.stderr.write(`bulkhead: the shutdown failed: ${lineOf(error)}\n`);
      process.exit(1);
    },
  );
};
process.on("SIGINT", () => stop("SIGINT"));
process.on("SIGTERM", () => stop("SIGTERM"));
