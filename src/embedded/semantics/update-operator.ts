/*
 * The shape of an update operator, and the errors that several share.
 */
import { EngineError } from "../engine-error.js";
import type { Doc } from "./bson-codec.js";
import { describe, own, typeName } from "./bson-kinds.js";
import type { Variables } from "./expression-types.js";
import type { Draft, Path } from "./update-paths.js";

export interface Site {
  draft: Draft;
  path: Path;
}

/** Writes one concrete path of a document. */
export type Change = (site: Site) => void;
/** Reads the operand of one path; runs once per command. */
export type UpdateOperator = (operand: unknown, path: string, vars: Variables) => Change;

export const badValue = (message: string): EngineError => new EngineError(2, "BadValue", message);
export const failedToParse = (message: string): EngineError => new EngineError(9, "FailedToParse", message);
export const typeMismatch = (message: string): EngineError => new EngineError(14, "TypeMismatch", message);

export const lastPart = (path: Path): string => path[path.length - 1] ?? "";
export const idOf = (root: Doc): string => `{_id: ${describe(own(root, "_id"))}}`;

/** From the value there (`undefined` if missing) to the new one; returning the same value writes nothing. */
export const edit =
  (next: (current: unknown, site: Site) => unknown): Change =>
  (site) => {
    const current = site.draft.get(site.path);
    const value = next(current, site);
    if (value !== current) site.draft.set(site.path, value);
  };

/** An operator on an array that is left alone when it is missing. */
export function existingArray(current: unknown, operator: string, path: Path): unknown[] | undefined {
  if (current === undefined || Array.isArray(current)) return current as unknown[] | undefined;
  if (operator === "$pop") throw typeMismatch(`Path '${path.join(".")}' contains an element of non-array type '${typeName(current)}'`);
  throw badValue(`Cannot apply ${operator} to a non-array value`);
}
