/**
 * The way to the database: opens the driver's client and refuses a deployment that cannot do the
 * work, before anything is stored on it. After it come the homes, the control plane and the mover.
 */
import { MongoClient, MongoServerError, ReadPreference, type Document } from "mongodb";
import type { Telemetry } from "../kernel/telemetry.js";
import { translating } from "./driver-errors.js";

export interface MongoConnectionOptions {
  readonly uri: string;
  /** The embedded engine over its socket: compression there costs more than it saves. */
  readonly local: boolean;
  readonly appName: string;
  readonly maxPoolSize: number;
  readonly telemetry: Telemetry;
  /** Whom to log in as, in place of the one whom `uri` names. A user of `admin`, with SCRAM-SHA-256. */
  readonly login?: MongoLogin;
  /** How long a server is waited for, in ms. Tests of its absence shorten it. */
  readonly waitMsMax?: number;
}

export interface MongoLogin {
  readonly username: string;
  readonly password: string;
}

/** A start, or a request, that finds no server is told so within this: well below a request's deadline. */
const waitMsMaxDefault = 5_000;

/** Throws `SERVICE_UNAVAILABLE` when no server answers in time. The caller closes the client. */
export async function connectMongo(options: MongoConnectionOptions): Promise<MongoClient> {
  const waitMs = options.waitMsMax ?? waitMsMaxDefault;
  const compressors = options.local ? [] : await usableCompressors(options.telemetry);
  const client = new MongoClient(options.uri, {
    appName: options.appName,
    maxPoolSize: options.maxPoolSize,
    serverSelectionTimeoutMS: waitMs,
    connectTimeoutMS: waitMs,
    // A request does not queue for a connection for longer than for a server.
    waitQueueTimeoutMS: waitMs,
    retryReads: true,
    retryWrites: true,
    writeConcern: { w: "majority" },
    // Options win over the string: a secondary is behind, and a mover that read its source there would leave the last writes behind.
    readPreference: ReadPreference.primary,
    // An undefined field in a filter would be sent as null and match what lacks the field.
    ignoreUndefined: false,
    ...(compressors.length === 0 ? {} : { compressors }),
    // Options win over the string, so none of its ways to log in is left.
    ...(options.login === undefined ? {} : { auth: { ...options.login }, authSource: "admin", authMechanism: "SCRAM-SHA-256" as const }),
  });
  try {
    await translating(() => client.connect());
    if (!options.local) await logCompression(client, compressors, options.telemetry);
  } catch (error) {
    await client.close();
    throw error;
  }
  return client;
}

/** 18 is MongoDB's; Atlas answers from its proxy with its own code for everything. */
const authenticationFailed: ReadonlySet<unknown> = new Set([18, 8_000]);

/** Whether `connectMongo` failed because the deployment does not take the user or the password. */
export function isAuthenticationFailure(error: unknown): boolean {
  const { cause } = error instanceof Error ? error : { cause: undefined };
  return [error, cause].some((candidate) => candidate instanceof MongoServerError && authenticationFailed.has(candidate.code));
}

async function usableCompressors(telemetry: Telemetry): Promise<("zstd" | "zlib")[]> {
  try {
    await import("@mongodb-js/zstd");
    return ["zstd", "zlib"];
  } catch (error) {
    telemetry.log("warn", "zstd cannot be loaded on this platform, offering zlib to the database", { error: String(error) });
    return ["zlib"];
  }
}

/** The server answers `hello` with those of the client's compressors that it takes; the driver uses the client's first of them. */
async function logCompression(client: MongoClient, offered: readonly string[], telemetry: Telemetry): Promise<void> {
  const hello = await translating<Document>(() => client.db("admin").command({ hello: 1, compression: offered }));
  const taken = new Set((hello["compression"] ?? []) as string[]);
  telemetry.log("info", "Connected to the database", { compression: offered.find((name) => taken.has(name)) ?? "none", offered: offered.join(",") });
}
