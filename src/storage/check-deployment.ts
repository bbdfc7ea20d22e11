import { MongoServerError, type Document, type MongoClient } from "mongodb";
import { serviceUnavailable, type BulkheadError } from "../kernel/errors.js";
import { translating } from "./driver-errors.js";

const required = "MongoDB Atlas (8.0 or later), Atlas Local (8.0 or later), or Community 8.2 or later as a replica set with mongot";
/** First with transactions on a replica set over the wire version that the driver speaks, and `$vectorSearch` in any edition. */
const majorVersionMin = 8;
const namespaceNotFound = 26;

/**
 * Refuses, in one line, a deployment that cannot keep the guarantees: a standalone server has no
 * transactions, so no fence; one without search would answer every question with nothing. Throws
 * `SERVICE_UNAVAILABLE`.
 */
export async function checkDeployment(client: MongoClient, database = "admin"): Promise<void> {
  const hello = await translating(() => client.db("admin").command({ hello: 1 }));
  const { version } = await translating(() => client.db("admin").command({ buildInfo: 1 }));
  if (!hasTransactions(hello)) throw unfit(`a standalone server, version ${String(version)}`);
  const major = Number.parseInt(String(version), 10);
  if (!(major >= majorVersionMin)) throw unfit(`version ${String(version)}`);
  await checkSearch(client, database, String(version));
}

function hasTransactions(hello: Document): boolean {
  const replicated = typeof hello["setName"] === "string" || hello["msg"] === "isdbgrid";
  return replicated && typeof hello["logicalSessionTimeoutMinutes"] === "number";
}

async function checkSearch(client: MongoClient, database: string, version: string): Promise<void> {
  try {
    await client.db(database).collection("chunks").aggregate([{ $listSearchIndexes: {} }]).toArray();
  } catch (error) {
    if (error instanceof MongoServerError && error.code === namespaceNotFound) return;
    if (error instanceof MongoServerError) throw unfit(`a server without vector search, version ${version}`, error);
    await translating(() => Promise.reject(error));
  }
}

function unfit(got: string, cause?: unknown): BulkheadError {
  return serviceUnavailable(`The database cannot be used: got ${got}, expected ${required}`, 0, cause);
}
