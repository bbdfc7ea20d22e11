/*
 * The errors several parts of the engine raise, each with MongoDB's code, name and labels.
 * Before it: a statement; after it: commands/execute-command.ts, which turns them into replies.
 */
import { ObjectId } from "bson";
import { EngineError } from "../engine-error.js";
import type { Doc } from "../semantics/bson-codec.js";
import { typeName } from "../semantics/bson-kinds.js";

export function writeConflict(what: string): EngineError {
  return new EngineError(112, "WriteConflict", `Caused by :: Write conflict during plan execution and yielding is disabled: ${what}`, [
    "TransientTransactionError",
  ]);
}

export function duplicateKey(namespace: string, indexName: string, keyPattern: Doc, keyValue: Doc): EngineError {
  const shown = Object.entries(keyValue).map(([path, value]) => `${path}: ${showValue(value)}`);
  const message = `E11000 duplicate key error collection: ${namespace} index: ${indexName} dup key: { ${shown.join(", ")} }`;
  return new EngineError(11000, "DuplicateKey", message, [], { keyPattern, keyValue });
}

export function notServed(what: string): EngineError {
  return new EngineError(238, "NotImplemented", `${what} is not served by this engine`);
}

export function badValue(message: string): EngineError {
  return new EngineError(2, "BadValue", message);
}

export function typeMismatch(field: string, got: unknown, expected: string): EngineError {
  return new EngineError(14, "TypeMismatch", `BSON field '${field}' is the wrong type '${typeName(got)}', expected type '${expected}'`);
}

export function namespaceNotFound(namespace: string): EngineError {
  return new EngineError(26, "NamespaceNotFound", `ns not found: ${namespace}`);
}

function showValue(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value);
  if (value === null || value === undefined) return "null";
  if (value instanceof Date) return `new Date(${value.getTime()})`;
  if (value instanceof ObjectId) return `ObjectId('${value.toHexString()}')`;
  if (Array.isArray(value)) return `[ ${value.map(showValue).join(", ")} ]`;
  if (typeof value === "object" && Object.getPrototypeOf(value) === Object.prototype) {
    return `{ ${Object.entries(value).map(([key, item]) => `${key}: ${showValue(item)}`).join(", ")} }`;
  }
  return String(value);
}
