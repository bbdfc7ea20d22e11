/*
 * `npm run engine`: the embedded engine alone on a TCP port, for several servers that share it.
 * ENGINE_ROOT_USER and ENGINE_ROOT_PASSWORD make it ask every client who it is; only then may others than this machine reach it.
 * Before it: a shell; after it: src/embedded/start-engine.ts.
 */
import { parseArgs } from "node:util";
import { usersOf } from "./engine-root.js";
import { startEngine, type RunningEngine, type StartEngineOptions } from "../src/embedded/start-engine.js";

const PORT_DEFAULT = 27_018;
/** Without users the engine authenticates nobody, so it is reachable from this machine alone. */
const LOOPBACK = new Set(["127.0.0.1", "::1", "localhost"]);

interface EngineArguments {
  dir: string;
  host: string;
  port: number;
  users: StartEngineOptions["users"];
}

function readArguments(): EngineArguments {
  const { values } = parseArgs({
    options: { dir: { type: "string", default: ".data/engine" }, host: { type: "string", default: "127.0.0.1" }, port: { type: "string", default: String(PORT_DEFAULT) } },
  });
  const port = Number(values.port);
  if (!Number.isInteger(port) || port < 0 || port > 65_535) fail(`Got --port ${values.port}, expected a whole number from 0 to 65535`);
  const given = usersOf(process.env);
  if ("refused" in given) fail(given.refused);
  const { users } = given;
  if (!users && !LOOPBACK.has(values.host)) {
    fail(`Got --host ${values.host}, expected a loopback address: without ENGINE_ROOT_USER and ENGINE_ROOT_PASSWORD the engine authenticates nobody`);
  }
  return { dir: values.dir, host: values.host, port, users };
}

function fail(message: string): never {
  process.stderr.write(`${message}\n`);
  process.exit(1);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

async function start({ dir, host, port, users }: EngineArguments): Promise<RunningEngine> {
  try {
    return await startEngine({ dir, listen: { host, port }, ...(users ? { users } : {}), onEvent: ({ level, message }) => process.stderr.write(`${level}: ${message}\n`) });
  } catch (error) {
    return fail(`The engine cannot start: ${messageOf(error)}`);
  }
}

let given: EngineArguments;
try {
  given = readArguments();
} catch (error) {
  fail(messageOf(error));
}
const engine = await start(given);
process.stdout.write(`${engine.uri}\n`);

let stopping = false;
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.on(signal, () => {
    if (stopping) return;
    stopping = true;
    engine.close().then(
      () => process.exit(0),
      (error: unknown) => fail(`The engine did not close: ${messageOf(error)}`),
    );
  });
}
