/*
 * Values as they come over the wire, and a text form that tells int from long from double.
 */
import { EJSON } from "bson";
import { EngineError } from "../../../src/embedded/engine-error.js";
import { decode, type Doc, encode } from "../../../src/embedded/semantics/bson-codec.js";

export const wire = (doc: Doc): Doc => decode(encode(doc));

export const canonical = (value: unknown): string => EJSON.stringify(wire({ value }), { relaxed: false });

/** The code of the EngineError that the action throws; anything else fails the test. */
export function codeOf(action: () => unknown): number {
  try {
    action();
  } catch (error) {
    if (error instanceof EngineError) return error.code;
    throw error;
  }
  return 0;
}
