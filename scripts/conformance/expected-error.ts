import { MongoBulkWriteError, MongoClientBulkWriteError, MongoError, MongoServerError } from "mongodb";
import { match, type EntityLookup } from "./match.js";
import { Deviation, isRefusal, messageOf } from "./outcomes.js";
import { clientBulkResult } from "./other-operations.js";
import type { Spec } from "./spec-file.js";

/** Throws Deviation unless the error is the one expected, or the error itself when it is a refusal not asked for. */
export function matchError(expected: Spec, error: unknown, entities: EntityLookup): void {
  const failed = firstFailure(expected, error, entities);
  if (failed === undefined) return;
  if (isRefusal(error)) throw error;
  throw new Deviation(`error "${messageOf(error)}": ${failed}`);
}

function firstFailure(expected: Spec, error: unknown, entities: EntityLookup): string | undefined {
  if (!(error instanceof Error)) return `expected an Error`;
  const server = serverErrorOf(error);
  for (const [key, wanted] of Object.entries(expected)) {
    const failed = checkOne(key, wanted, error, server, entities);
    if (failed !== undefined) return failed;
  }
  return undefined;
}

function checkOne(key: string, wanted: unknown, error: Error, server: MongoServerError | undefined, entities: EntityLookup): string | undefined {
  const labels = error instanceof MongoError ? error.errorLabels : [];
  switch (key) {
    case "isError":
      return wanted === true ? undefined : "isError must be true";
    case "isClientError":
      return (server === undefined) === wanted ? undefined : `expected ${wanted === true ? "a client's" : "a server's"} error`;
    case "errorContains":
      return error.message.toLowerCase().includes(String(wanted).toLowerCase()) ? undefined : `expected it to contain "${String(wanted)}"`;
    case "errorCode":
      return Number(server?.code) === Number(wanted) ? undefined : `code ${String(server?.code)}, expected ${Number(wanted)}`;
    case "errorCodeName":
      return server?.codeName === wanted ? undefined : `code name ${String(server?.codeName)}, expected ${String(wanted)}`;
    case "errorLabelsContain":
      return (wanted as string[]).every((label) => labels.includes(label)) ? undefined : `labels [${labels.join(", ")}], expected ${String(wanted)}`;
    case "errorLabelsOmit":
      return (wanted as string[]).some((label) => labels.includes(label)) ? `labels [${labels.join(", ")}], expected none of ${String(wanted)}` : undefined;
    case "errorResponse":
      return matched(wanted, server?.errorResponse, entities);
    case "expectResult":
      return matched(wanted, resultOf(error), entities);
    case "writeErrors":
      return matched(wanted, error instanceof MongoClientBulkWriteError ? Object.fromEntries(error.writeErrors) : undefined, entities);
    case "writeConcernErrors":
      return matched(wanted, error instanceof MongoClientBulkWriteError ? error.writeConcernErrors : undefined, entities);
    default:
      return `the expectation ${key} is unknown to this runner`;
  }
}

/** A client bulk write wraps the error of the command that ended it. */
function serverErrorOf(error: Error): MongoServerError | undefined {
  if (error instanceof MongoClientBulkWriteError) return error.cause instanceof MongoServerError ? error.cause : error;
  return error instanceof MongoServerError ? error : undefined;
}

function resultOf(error: Error): unknown {
  if (error instanceof MongoClientBulkWriteError) return clientBulkResult(error.partialResult);
  if (error instanceof MongoBulkWriteError) return { ...error.result, insertedCount: error.insertedCount, matchedCount: error.matchedCount, modifiedCount: error.modifiedCount, deletedCount: error.deletedCount, upsertedCount: error.upsertedCount, upsertedIds: error.upsertedIds };
  return undefined;
}

function matched(wanted: unknown, actual: unknown, entities: EntityLookup): string | undefined {
  try {
    match(wanted, actual, entities);
    return undefined;
  } catch (error) {
    if (error instanceof Deviation) return error.message;
    throw error;
  }
}
