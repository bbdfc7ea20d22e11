import type { ClientBulkWriteResult, ClientSession, Db, Document, MongoClient } from "mongodb";
import { driverOptions } from "./entities.js";
import type { Spec } from "./spec-file.js";

/** Operations on databases, clients and sessions. */
type Operations<Target> = Readonly<Record<string, (target: Target, args: Spec) => Promise<unknown>>>;

export const DATABASE_OPERATIONS: Operations<Db> = {
  runCommand: (db, { command, commandName: _unused, ...options }) => db.command(command as Document, driverOptions(options)),
  aggregate: (db, { pipeline, ...options }) => db.aggregate(pipeline as Document[], options).toArray(),
  createCollection: (db, { collection, ...options }) => db.createCollection(String(collection), options),
  dropCollection: (db, { collection, ...options }) => db.dropCollection(String(collection), options),
  modifyCollection: (db, { collection, session, ...fields }) => db.command({ collMod: collection, ...fields }, session === undefined ? {} : { session: session as ClientSession }),
  listCollections: (db, { filter, ...options }) => db.listCollections((filter ?? {}) as Document, options).toArray(),
  listCollectionNames: async (db, { filter, ...options }) =>
    (await db.listCollections((filter ?? {}) as Document, { ...options, nameOnly: true }).toArray()).map(({ name }) => name),
};

export const CLIENT_OPERATIONS: Operations<MongoClient> = {
  clientBulkWrite: async (client, { models, ...options }) => {
    const named = (models as Spec[]).map((model) => {
      const [[name, body] = ["", {}]] = Object.entries(model);
      return { name, ...(body as Spec) };
    });
    return clientBulkResult(await client.bulkWrite(named as never, options));
  },
  listDatabases: async (client, args) => (await client.db("admin").admin().listDatabases(args)).databases,
  listDatabaseNames: async (client, args) => (await client.db("admin").admin().listDatabases({ ...args, nameOnly: true })).databases.map(({ name }) => name),
};

export const SESSION_OPERATIONS: Operations<ClientSession> = {
  startTransaction: async (session, args) => session.startTransaction(driverOptions(args)),
  commitTransaction: (session) => session.commitTransaction(),
  abortTransaction: (session) => session.abortTransaction(),
  endSession: (session) => session.endSession(),
  getSnapshotTime: async (session) => (session as unknown as { snapshotTime: unknown }).snapshotTime,
};

function byPosition(map: ReadonlyMap<number, unknown> | undefined): Document | undefined {
  return map && Object.fromEntries(map);
}

/** The driver gives Maps by position; the format compares documents with the positions as names. */
export function clientBulkResult(result: ClientBulkWriteResult | undefined): Document | undefined {
  if (result === undefined) return undefined;
  const { insertedCount, upsertedCount, matchedCount, modifiedCount, deletedCount } = result;
  return {
    insertedCount, upsertedCount, matchedCount, modifiedCount, deletedCount,
    insertResults: byPosition(result.insertResults),
    updateResults: byPosition(result.updateResults),
    deleteResults: byPosition(result.deleteResults),
  };
}
