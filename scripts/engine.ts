/*
 * `npm run engine`: the embedded engine alone on a TCP port of this machine, for several servers that share it.
 * Before it: a shell; after it: src/embedded/start-engine.ts.
 */
import { parseArgs } from "node:util";
import { startEngine, type RunningEngine } from "../src/embedded/start-engine.js";

const PORT_DEFAULT = 27_018;
/** The engine authenticates nobody, so it is reachable from this machine alone. */
const LOOPBACK = new Set(["127.0.0.1", "::1", "localhost"]);

interface EngineArguments {
  dir: string;
  host: string;
  port: number;
}

function readArguments(): EngineArguments {
  const { values } = parseArgs({
    options: { dir: { type: "string", default: ".data/engine" }, host: { type: "string", default: "127.0.0.1" }, port: { type: "string", default: String(PORT_DEFAULT) } },
  });
  const port = Number(values.port);
  if (!Number.isInteger(port) || port < 0 || port > 65_535) fail(`Got --port ${values.port}, expected a whole number from 0 to 65535`);
  if (!LOOPBACK.has(values.host)) fail(`Got --host ${values.host}, expected a loopback address: the engine authenticates nobody`);
  return { dir: values.dir, host: values.host, port };
}

function fail(message: string): never {
  process.stderr.write(`${message}\n`);
  process.exit(1);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

async function start({ dir, host, port }: EngineArguments): Promise<RunningEngine> {
  try {
    return await startEngine({ dir, listen: { host, port }, onEvent: ({ level, message }) => process.stderr.write(`${level}: ${message}\n`) });
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
