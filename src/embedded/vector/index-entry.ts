import { encode, type Doc } from "../semantics/bson-codec.js";
import { indexTuples } from "../semantics/index-keys.js";
import { encodeKey } from "../semantics/key-encoding.js";
import { compileProjection } from "../semantics/projection.js";
import type { VectorField, VectorIndexDefinition } from "./index-definition.js";
import { partTag } from "./row-keys.js";
import { prepareVector, readVector } from "./vector-value.js";

/** What one document contributes to the partitions of one vector field. */
export interface IndexEntry {
  /** Float32, little endian, as the kernel scores it. */
  vector: Buffer;
  filterBson: Buffer;
  /** One tag, unless the first filter field holds an array. Hex text to the tag itself. */
  partitions: ReadonlyMap<string, Buffer>;
}

/** The tag of the only partition of an index without filter fields. */
const WHOLE_INDEX = partTag(Buffer.alloc(0));

/** The partition that holds the documents whose first filter field equals `value`. */
export function partitionTag(value: unknown): Buffer {
  return partTag(encodeKey([value]));
}

/** Cuts documents down to their entries; compiled once an index. */
export class EntryReader {
  private readonly cutToFilterFields: (doc: Doc) => Doc;
  private readonly partitionPath: string | undefined;

  constructor(definition: VectorIndexDefinition) {
    this.partitionPath = definition.filterPaths[0];
    this.cutToFilterFields = compileCut(definition.filterPaths);
  }

  /** Undefined when the document has no vector there, or one that cannot be indexed: Atlas leaves it out alike. */
  read(doc: Doc | undefined, field: VectorField): IndexEntry | undefined {
    if (doc === undefined) return undefined;
    const elements = readVector(valueAt(doc, field.path));
    const vector = elements && prepareVector(elements, field);
    if (vector === undefined) return undefined;
    return {
      vector: Buffer.from(vector.buffer),
      filterBson: encode(this.cutToFilterFields(doc)),
      partitions: this.partitionsOf(doc),
    };
  }

  private partitionsOf(doc: Doc): ReadonlyMap<string, Buffer> {
    if (this.partitionPath === undefined) return new Map([[WHOLE_INDEX.toString("hex"), WHOLE_INDEX]]);
    const tags = indexTuples(doc, [this.partitionPath]).map(([value]) => partitionTag(value));
    if (tags.length === 0) tags.push(partitionTag(null));
    return new Map(tags.map((tag) => [tag.toString("hex"), tag]));
  }
}

/** A vector inside an array of documents is not indexed, as on Atlas, so arrays are not walked. */
function valueAt(doc: Doc, path: string): unknown {
  let value: unknown = doc;
  for (const segment of path.split(".")) {
    if (typeof value !== "object" || value === null || Array.isArray(value) || !Object.hasOwn(value, segment)) return undefined;
    value = (value as Doc)[segment];
  }
  return value;
}

function compileCut(paths: readonly string[]): (doc: Doc) => Doc {
  // A projection refuses `a` beside `a.b`; the shorter path brings the longer one along.
  const outermost = paths.filter((path) => !paths.some((other) => path.startsWith(`${other}.`)));
  if (outermost.length === 0) return () => ({});
  const spec: Doc = Object.fromEntries(outermost.map((path) => [path, 1]));
  if (!outermost.some((path) => path === "_id" || path.startsWith("_id."))) spec["_id"] = 0;
  return compileProjection(spec);
}
