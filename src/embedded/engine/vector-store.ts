/*
 * The vector indexes' part of a database file, as vector/ asks for it.
 * Before it: database-file.ts; after it: vector/vector-index.ts.
 */
import type { VectorKv } from "../vector/vector-kv.js";
import type { DatabaseFile, WriteView } from "./database-file.js";
import { vectorSpaceKey } from "./keys.js";
import { walk, type ReadView } from "./read-view.js";

/** The latest committed state. */
export function committedVectors(file: DatabaseFile): VectorKv {
  return { ...readable(file.latest), put: refuseWrite, remove: refuseWrite };
}

function refuseWrite(): never {
  throw new Error("A vector index wrote outside of a commit");
}

export function writableVectors(view: WriteView): VectorKv {
  return {
    ...readable(view),
    put: (key, value) => view.put(vectorSpaceKey(key), value),
    remove: (key) => view.remove(vectorSpaceKey(key)),
  };
}

function readable(view: ReadView): Pick<VectorKv, "get" | "range"> {
  return {
    get: (key) => view.get(vectorSpaceKey(key)),
    range: function* (start, end) {
      for (const { key, value } of walk(view, vectorSpaceKey(start), vectorSpaceKey(end))) yield { key: key.subarray(1), value };
    },
  };
}
