import {
  MongoError,
  MongoExpiredSessionError,
  MongoNetworkError,
  MongoNotConnectedError,
  MongoOperationTimeoutError,
  MongoServerError,
  MongoServerSelectionError,
  MongoTopologyClosedError,
  MongoClientClosedError,
} from "mongodb";
import { BulkheadError, internal, serviceUnavailable } from "../kernel/errors.js";

/** MongoDB's codes for "the node cannot do this now": see its error list under `NotPrimaryError`, `RetriableError` and time limits. */
const passingCodes: ReadonlySet<number> = new Set([
  6, 7, 50, 89, 91, 112, 134, 189, 251, 262, 290, 317, 9001, 10107, 11600, 11602, 13388, 13435, 13436,
]);
const duplicateKey = 11_000;

/** Classes of the driver's connection pool that it does not export. */
const unexportedClasses: ReadonlySet<string> = new Set(["MongoWaitQueueTimeoutError", "MongoPoolClosedError"]);

const classesOfAbsence = [
  MongoNetworkError,
  MongoServerSelectionError,
  MongoNotConnectedError,
  MongoOperationTimeoutError,
  MongoTopologyClosedError,
  MongoClientClosedError,
  MongoExpiredSessionError,
];

/** A write to a socket that the other side has just closed comes out of the driver as Node's own error, in none of its classes. */
const socketCodes: ReadonlySet<unknown> = new Set(["EPIPE", "ECONNRESET", "ECONNREFUSED", "ETIMEDOUT", "EHOSTUNREACH", "ENETUNREACH", "ERR_STREAM_DESTROYED", "ERR_STREAM_WRITE_AFTER_END", "ERR_SOCKET_CLOSED"]);

/**
 * Gives every error of the driver a code of the catalogue. The server's text stays in `cause`, for
 * logs: it may quote keys and values, and must not reach a caller. What is not the driver's passes.
 */
export function translateDriverError(error: unknown): unknown {
  if (error instanceof BulkheadError) return error;
  if (error instanceof Error && "code" in error && socketCodes.has(error.code)) return serviceUnavailable("The database does not answer", 1_000, error);
  if (!(error instanceof MongoError)) return error;
  if (classesOfAbsence.some((known) => error instanceof known) || isPassing(error)) {
    return serviceUnavailable("The database does not answer", 1_000, error);
  }
  if (error instanceof MongoServerError && error.code === duplicateKey) {
    return new BulkheadError("CONFLICT", "An object with this id exists already", {}, { cause: error });
  }
  return internal("The database refused an operation", error);
}

export async function translating<Value>(work: () => Promise<Value>): Promise<Value> {
  try {
    return await work();
  } catch (error) {
    throw translateDriverError(error);
  }
}

/** The same object, each asynchronous method of which translates. In one place, so that a method added later cannot forget it. */
export function translatingMethods<Store extends object>(store: Store): Store {
  return new Proxy(store, {
    get(target, name): unknown {
      const member: unknown = Reflect.get(target, name, target);
      if (typeof member !== "function") return member;
      return (...given: unknown[]): unknown => {
        const result: unknown = member.apply(target, given);
        return result instanceof Promise ? translating(() => result) : result;
      };
    },
  });
}

/** A conflict with a concurrent transaction, or another fault that goes away when the whole is run again. */
export function isTransient(error: unknown): boolean {
  return error instanceof MongoError && error.hasErrorLabel("TransientTransactionError");
}

export function isUnknownCommit(error: unknown): boolean {
  return error instanceof MongoError && error.hasErrorLabel("UnknownTransactionCommitResult");
}

function isPassing(error: MongoError): boolean {
  if (unexportedClasses.has(error.name)) return true;
  if (error.hasErrorLabel("RetryableWriteError") || isTransient(error) || isUnknownCommit(error)) return true;
  return error instanceof MongoServerError && typeof error.code === "number" && passingCodes.has(error.code);
}
