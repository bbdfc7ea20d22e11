/*
 * The errors several parts of the engine raise, each with MongoDB's code, name and labels.
 * Before it: any statement; after it: commands/execute-command.ts, which turns them into replies.
 */
import { EngineError } from "../engine-error.js";
import type { Doc } from "../semantics/bson-codec.js";

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

function typeName(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "array";
  if (value instanceof Date) return "date";
  const tagged = value as { _bsontype?: string };
  return typeof value === "object" ? (tagged._bsontype ?? "object").toLowerCase() : typeof value;
}

function showValue(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value);
  if (value === null || value === undefined) return "null";
  if (value instanceof Date) return `new Date(${value.getTime()})`;
  const tagged = value as { _bsontype?: string; toHexString?: () => string };
  if (tagged._bsontype === "ObjectId" && tagged.toHexString) return `ObjectId('${tagged.toHexString()}')`;
  if (Array.isArray(value)) return `[ ${value.map(showValue).join(", ")} ]`;
  if (tagged._bsontype) return String(value);
  if (typeof value === "object") {
    return `{ ${Object.entries(value).map(([key, item]) => `${key}: ${showValue(item)}`).join(", ")} }`;
  }
  return String(value);
}
