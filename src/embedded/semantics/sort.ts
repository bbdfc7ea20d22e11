import type { Doc } from "./bson-codec.js";
import type { DocMeta } from "./expression-types.js";
import { compareValues } from "./compare.js";
import { indexTuples } from "./index-keys.js";
export function compileSort(spec: Doc, _options: { meta?: (doc: Doc) => DocMeta | undefined } = {}): (a: Doc, b: Doc) => number {
  const paths = Object.keys(spec);
  return (a, b) => compareValues(indexTuples(a, paths)[0], indexTuples(b, paths)[0]);
}
