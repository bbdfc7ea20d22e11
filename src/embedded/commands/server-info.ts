/*
 * Commands that tell about the server: what drivers and tools ask before they trust a deployment.
 */
import { Double, Long } from "bson";
import { EngineError } from "../engine-error.js";
import { DOCUMENT_BYTES_MAX } from "../engine/document-writer.js";
import { documentPrefix, successor } from "../engine/keys.js";
import type { Command } from "./command.js";
import { collectionName, namespaceOf } from "./command.js";

/** The release whose behaviour the engine follows; `modules` says that it is not that server. */
const VERSION = [8, 0, 0, 0];

function buildInfoReply() {
  return {
    version: VERSION.slice(0, 3).join("."),
    versionArray: VERSION,
    gitVersion: "embedded",
    modules: ["embedded"],
    allocator: "system",
    javascriptEngine: "none",
    storageEngines: ["lmdb"],
    bits: 64,
    debug: false,
    maxBsonObjectSize: DOCUMENT_BYTES_MAX,
    ok: 1,
  };
}

export const buildInfo: Command = { name: "buildInfo", fields: [], served: "version 8.0.0, module 'embedded'", run: buildInfoReply };
export const buildinfo: Command = { name: "buildinfo", fields: [], served: "as buildInfo", run: buildInfoReply };

export const getParameter: Command = {
  name: "getParameter",
  fields: ["featureCompatibilityVersion", "allParameters"],
  served: "featureCompatibilityVersion; any other is refused",
  run: ({ body }) => {
    if (body["featureCompatibilityVersion"] === undefined) throw new EngineError(72, "InvalidOptions", "no option found to get");
    return { featureCompatibilityVersion: { version: "8.0" }, ok: 1 };
  },
};

export const serverStatus: Command = {
  name: "serverStatus",
  fields: [],
  served: "host, version, uptime, pid, connections of this process; no counters",
  run: ({ engine, body: _body }) => {
    const uptimeMs = Date.now() - engine.startedMs;
    return {
      version: buildInfoReply().version,
      process: "embedded",
      pid: Long.fromNumber(process.pid),
      uptime: new Double(Math.floor(uptimeMs / 1_000)),
      uptimeMillis: Long.fromNumber(uptimeMs),
      localTime: new Date(),
      mem: { resident: Math.round(process.memoryUsage.rss() / 1_048_576) },
      storageEngine: { name: "lmdb", persistent: true, supportsCommittedReads: true },
      ok: 1,
    };
  },
};

export const dbStats: Command = {
  name: "dbStats",
  fields: ["scale", "freeStorage"],
  served: "counts and the size of the file; scale is refused unless 1",
  run: ({ engine, databaseName, body }) => {
    refuseScale(body["scale"]);
    const database = engine.existing(databaseName);
    const collections = database?.catalog.all() ?? [];
    const objects = collections.reduce((sum, { id }) => sum + (database?.file.latest.count(documentPrefix(id), successor(documentPrefix(id))) ?? 0), 0);
    return {
      db: databaseName,
      collections: collections.length,
      views: 0,
      objects: Long.fromNumber(objects),
      indexes: collections.reduce((sum, { indexes }) => sum + indexes.length + 1, 0),
      storageSize: new Double(database?.file.sizeBytes() ?? 0),
      ok: 1,
    };
  },
};

export const collStats: Command = {
  name: "collStats",
  fields: ["scale"],
  served: "count and index names; sizes are those of the whole file and not told",
  run: (context) => {
    refuseScale(context.body["scale"]);
    const name = collectionName(context, "collStats");
    const database = context.engine.existing(context.databaseName);
    const collection = database?.catalog.get(name);
    const prefix = documentPrefix(collection?.id ?? 0);
    const count = database && collection ? database.file.latest.count(prefix, successor(prefix)) : 0;
    return { ns: namespaceOf(context, name), count, nindexes: (collection?.indexes.length ?? -1) + 1, capped: false, ok: 1 };
  },
};

function refuseScale(scale: unknown): void {
  if (scale === undefined || Number(scale) === 1) return;
  throw new EngineError(238, "NotImplemented", "A scale other than 1 is not served by this engine");
}
