/*
 * A document being updated: copies only the containers on the paths it writes, and never the caller's.
 * Before it: update operators; also the expansion of `$`, `$[]` and `$[id]` into positions.
 */
import { EngineError } from "../engine-error.js";
import type { Doc } from "./bson-codec.js";
import { describe, isObject, own, put, typeName } from "./bson-kinds.js";

export type Path = readonly string[];
type Container = Doc | unknown[];

/** MongoDB's own limit for writes past the end of an array. */
const PADDING_MAX = 1_500_000;
const POSITION = /^(?:0|[1-9]\d*)$/;

export class Draft {
  readonly root: Doc;
  private readonly copied = new Set<unknown>();

  constructor(doc: Doc) {
    this.root = { ...doc };
    this.copied.add(this.root);
  }

  get(path: Path): unknown {
    let value: unknown = this.root;
    for (const part of path) value = read(value, part);
    return value;
  }

  /** Makes the documents on the way. Throws EngineError 28 PathNotViable where something else is in the way. */
  set(path: Path, value: unknown): void {
    let container: Container = this.root;
    for (let i = 0; i < path.length - 1; i++) {
      const next = read(container, path[i]!);
      if (next !== undefined && !isContainer(next)) throw notViable(path[i + 1]!, path[i]!, next);
      const writable: Container = next === undefined ? {} : this.own(next);
      if (writable !== next) write(container, path, i, writable);
      container = writable;
    }
    write(container, path, path.length - 1, value);
  }

  /** An element of an array becomes null, so that the others keep their positions. */
  remove(path: Path): void {
    if (this.get(path) === undefined) return;
    let container: Container = this.root;
    for (let i = 0; i < path.length - 1; i++) {
      const next = read(container, path[i]!) as Container;
      const writable = this.own(next);
      if (writable !== next) write(container, path, i, writable);
      container = writable;
    }
    const last = path[path.length - 1]!;
    if (Array.isArray(container)) container[Number(last)] = null;
    else delete container[last];
  }

  private own(container: Container): Container {
    if (this.copied.has(container)) return container;
    const copy = Array.isArray(container) ? [...(container as unknown[])] : { ...container };
    this.copied.add(copy);
    return copy;
  }
}

const isContainer = (value: unknown): value is Container => isObject(value) || Array.isArray(value);

function read(container: unknown, part: string): unknown {
  if (Array.isArray(container)) return POSITION.test(part) ? (container as unknown[])[Number(part)] : undefined;
  return isObject(container) ? own(container, part) : undefined;
}

function notViable(field: string, parent: string, element: unknown): EngineError {
  return new EngineError(28, "PathNotViable", `Cannot create field '${field}' in element {${parent}: ${describe(element)}}`);
}

function write(container: Container, path: Path, i: number, value: unknown): void {
  const part = path[i]!;
  if (!Array.isArray(container)) return put(container, part, value);
  if (!POSITION.test(part)) throw notViable(part, path[i - 1] ?? "", container);
  const index = Number(part);
  if (index - container.length > PADDING_MAX) {
    throw new EngineError(2, "BadValue", `can't backfill more than ${PADDING_MAX} elements, got position ${part} of an array of ${container.length}`);
  }
  while (container.length < index) container.push(null);
  container[index] = value;
}

/** What the special parts of a path stand for in one document. */
export interface Positions {
  /** For `$`: the element that the query matched in the array at this path. */
  matched(array: Path): number;
  /** For `$[id]`. */
  filter(id: string, path: Path): (element: unknown) => boolean;
}

export function expandPath(doc: Doc, path: Path, positions: Positions): Path[] {
  const at = path.findIndex((part, i) => i > 0 && part.startsWith("$"));
  if (at < 0) return [path];
  const [before, part, after] = [path.slice(0, at), path[at]!, path.slice(at + 1)];
  if (part === "$") return expandPath(doc, [...before, String(positions.matched(before)), ...after], positions);
  const id = /^\$\[(.*)\]$/.exec(part)?.[1];
  if (id === undefined) throw dollarField(part, path);
  const test = id === "" ? () => true : positions.filter(id, path);
  return elementsAt(doc, before).flatMap((element, i) => (test(element) ? expandPath(doc, [...before, String(i), ...after], positions) : []));
}

export function dollarField(part: string, path: Path): EngineError {
  return new EngineError(52, "DollarPrefixedFieldName", `The dollar ($) prefixed field '${part}' in '${path.join(".")}' is not valid for storage.`);
}

function elementsAt(doc: Doc, path: Path): unknown[] {
  let value: unknown = doc;
  for (const part of path) value = read(value, part);
  if (Array.isArray(value)) return value as unknown[];
  const name = path.join(".");
  if (value === undefined) throw new EngineError(2, "BadValue", `The path '${name}' must exist in the document in order to apply array updates.`);
  throw new EngineError(2, "BadValue", `Cannot apply array updates to non-array element ${path.at(-1)}: ${describe(value)} of type ${typeName(value)}`);
}

/** Written paths, to refuse two updates of which one contains the other. */
export class PathConflicts {
  private readonly paths: Path[] = [];

  /** Throws EngineError 40 ConflictingUpdateOperators. */
  add(path: Path): void {
    for (const other of this.paths) {
      const shorter = Math.min(path.length, other.length);
      if (path.slice(0, shorter).every((part, i) => part === other[i])) {
        const conflict = path.slice(0, shorter).join(".");
        throw new EngineError(40, "ConflictingUpdateOperators", `Updating the path '${path.join(".")}' would create a conflict at '${conflict}'`);
      }
    }
    this.paths.push(path);
  }
}

/** The order in which MongoDB applies updates: names as text, positions as numbers. */
export function comparePaths(a: Path, b: Path): number {
  for (let i = 0; i < Math.min(a.length, b.length); i++) {
    const [left, right] = [a[i]!, b[i]!];
    if (left === right) continue;
    if (POSITION.test(left) && POSITION.test(right)) return Number(left) - Number(right);
    return left < right ? -1 : 1;
  }
  return a.length - b.length;
}
