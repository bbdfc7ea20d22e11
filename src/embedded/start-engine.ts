/*
 * The embedded engine: MongoDB's wire protocol over a socket, stored in LMDB. Knows no tenant, imports nothing of src.
 * Before it: the process that wants a database; after it: wire/, commands/, engine/, semantics/, vector/.
 */
import { rmSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { Client } from "./auth/client.js";
import type { GivenRoot } from "./auth/given-root.js";
import { UserDirectory } from "./auth/user-directory.js";
import { errorReply, executeCommand, type Server as CommandServer } from "./commands/execute-command.js";
import { lockDirectory } from "./engine/directory-lock.js";
import { Engine, type EngineEvent } from "./engine/engine.js";
import { Connection } from "./wire/connection.js";
import { MESSAGE_BYTES_MAX } from "./wire/message.js";

export interface StartEngineOptions {
  /** Holds one file per database; one engine at a time owns it. */
  dir: string;
  listen: { socketPath: string } | { host: string; port: number };
  /** False leaves flushing to the system: for tests only. Default true: an acknowledged write is on disk. */
  durable?: boolean;
  /** Bytes of hot vectors kept in memory, of all databases together. Default: an eighth of the memory, 192 MiB to 2 GiB. */
  residentVectorBytes?: number;
  /** Test switch: milliseconds until a search index is queryable and sees a new document. Default 0. */
  searchIndexDelayMs?: number;
  /** Test switch: milliseconds a transaction may live. Default MongoDB's 60 s. */
  transactionLifetimeMs?: number;
  /** Makes every command ask who calls. The root user is in no file; without this option users exist, but bind nobody. */
  users?: { root: GivenRoot };
  onEvent?: (event: EngineEvent) => void;
}

export interface RunningEngine {
  /** A connection string for the official driver; where users are enforced, a user and a password are to be added. */
  uri: string;
  /** Answers commands that run, then closes connections and files. */
  close(): Promise<void>;
}

/** Throws Error in one line when the directory is in use or the address is taken. */
export async function startEngine(options: StartEngineOptions): Promise<RunningEngine> {
  const unlock = lockDirectory(options.dir);
  const engine = new Engine({
    dir: options.dir,
    durable: options.durable ?? true,
    searchIndexDelayMs: options.searchIndexDelayMs ?? 0,
    ...(options.residentVectorBytes === undefined ? {} : { residentVectorBytes: options.residentVectorBytes }),
    ...(options.transactionLifetimeMs === undefined ? {} : { transactionLifetimeMs: options.transactionLifetimeMs }),
    onEvent: options.onEvent ?? (() => undefined),
  });
  const connections = new Set<Connection>();
  let server: Server;
  try {
    const commands = { engine, users: new UserDirectory(engine, options.users?.root) };
    server = createServer((socket) => {
      const connection = accept(commands, socket);
      connections.add(connection);
      socket.on("close", () => connections.delete(connection));
    });
    engine.address = await listen(server, options.listen);
  } catch (error) {
    await engine.close();
    unlock();
    throw error;
  }
  const close = async (): Promise<void> => {
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    for (const connection of connections) connection.close();
    await closed;
    await engine.close();
    unlock();
  };
  return { uri: `mongodb://${engine.address}/?directConnection=true`, close };
}

/** A handshake with its metadata and a proof take under 2 KB; 48 MB from each stranger would be a way to fill the memory. */
const STRANGER_BYTES_MAX = 16 * 1_024;

let lastConnectionId = 0;

function accept(commands: CommandServer, socket: import("node:net").Socket): Connection {
  lastConnectionId += 1;
  const client = new Client(lastConnectionId);
  return new Connection(socket, {
    execute: (request) => executeCommand(commands, request, client),
    messageBytesMax: () => (commands.users.enforced && client.isStranger ? STRANGER_BYTES_MAX : MESSAGE_BYTES_MAX),
    errorReply,
    onMalformed: (message) => commands.engine.event("warn", `A client was disconnected: ${message}`),
  });
}

/** The address as it stands in a connection string. */
async function listen(server: Server, where: StartEngineOptions["listen"]): Promise<string> {
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.once("listening", resolve);
    if ("socketPath" in where) {
      // The directory lock is held, so a socket file that is still there belongs to no living engine.
      rmSync(where.socketPath, { force: true });
      server.listen(where.socketPath);
    } else server.listen(where.port, where.host);
  });
  if ("socketPath" in where) return encodeURIComponent(where.socketPath);
  const bound = server.address();
  if (bound === null || typeof bound === "string") throw new Error("The engine listens on no TCP port");
  return `${where.host.includes(":") ? `[${where.host}]` : where.host}:${bound.port}`;
}
