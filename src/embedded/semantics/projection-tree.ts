/*
 * Dotted paths of a projection as a tree, and the three walks over a document: keep, drop, add.
 * Before it: projection.ts, which reads specifications.
 */
import type { Doc } from "./bson-codec.js";
import { isObject, own, put } from "./bson-kinds.js";
import { location } from "./expression-operands.js";
import type { Evaluate, Frame } from "./expression-types.js";

export interface PathTree<Leaf> {
  readonly fields: Map<string, PathTree<Leaf> | { leaf: Leaf }>;
}

export const pathTree = <Leaf>(): PathTree<Leaf> => ({ fields: new Map() });

/** Throws 31250 or 31249 when one path lies within another. */
export function insertPath<Leaf>(tree: PathTree<Leaf>, path: string, leaf: Leaf): void {
  const parts = path.split(".");
  let node = tree;
  parts.forEach((part, i) => {
    const next = node.fields.get(part);
    if (i === parts.length - 1) {
      if (next) throw location(31250, `Path collision at ${path}`);
      node.fields.set(part, { leaf });
    } else if (next && "leaf" in next) {
      throw location(31249, `Path collision at ${path} remaining portion ${parts.slice(i + 1).join(".")}`);
    } else {
      const child = next ?? pathTree<Leaf>();
      node.fields.set(part, child);
      node = child;
    }
  });
}

/** Fields keep the document's order. What is not a document has no fields, and leaves an array it stands in. */
export function keepFields(tree: PathTree<unknown>, doc: Doc): Doc {
  const kept: Doc = {};
  for (const key of Object.keys(doc)) {
    const child = tree.fields.get(key);
    if (!child) continue;
    const value = "leaf" in child ? doc[key] : keepValue(child, doc[key]);
    if (value !== undefined) put(kept, key, value);
  }
  return kept;
}

function keepValue(tree: PathTree<unknown>, value: unknown): unknown {
  if (isObject(value)) return keepFields(tree, value);
  if (!Array.isArray(value)) return undefined;
  return value.map((item: unknown) => keepValue(tree, item)).filter((item) => item !== undefined);
}

export function dropFields(tree: PathTree<unknown>, value: unknown): unknown {
  if (Array.isArray(value)) return value.map((item: unknown) => dropFields(tree, item));
  if (!isObject(value)) return value;
  const kept: Doc = {};
  for (const key of Object.keys(value)) {
    const child = tree.fields.get(key);
    if (!child) put(kept, key, value[key]);
    else if (!("leaf" in child)) put(kept, key, dropFields(child, value[key]));
  }
  return kept;
}

/** Computed fields replace those of the same name where they stand; a missing result removes the field. */
export function addFields(tree: PathTree<Evaluate>, value: unknown, frame: Frame): unknown {
  if (Array.isArray(value)) return value.map((item: unknown) => addFields(tree, item, frame));
  const doc: Doc = isObject(value) ? { ...value } : {};
  for (const [key, child] of tree.fields) {
    const next = "leaf" in child ? child.leaf(frame) : addFields(child, own(doc, key), frame);
    if (next === undefined) delete doc[key];
    else put(doc, key, next);
  }
  return doc;
}

/** Applies a change to each value at a path, through documents and the documents of arrays. */
export function changeAt(value: unknown, parts: readonly string[], change: (value: unknown) => unknown): unknown {
  const [part, ...rest] = parts;
  if (part === undefined) return change(value);
  if (Array.isArray(value)) return value.map((item: unknown) => changeAt(item, parts, change));
  if (!isObject(value) || !Object.hasOwn(value, part)) return value;
  const copy: Doc = { ...value };
  put(copy, part, changeAt(value[part], rest, change));
  return copy;
}
