import { readFileSync, readdirSync } from "node:fs";
import { dirname, join, relative, resolve, sep } from "node:path";
import { describe, expect, test } from "vitest";
import { homes, islands, ranks, roots } from "./layers.js";

const src = resolve(import.meta.dirname, "../../src");

interface Import {
  readonly from: string;
  readonly specifier: string;
  readonly typeOnly: boolean;
}

function sources(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    return entry.isDirectory() ? sources(path) : /\.tsx?$/.test(entry.name) ? [path] : [];
  });
}

function importsOf(file: string): Import[] {
  const text = readFileSync(file, "utf8");
  const statements = text.matchAll(/^\s*(?:import|export)\s+(type\s+)?(?:[^'"();]*?\sfrom\s+)?["']([^"']+)["']/gm);
  const dynamic = text.matchAll(/\bimport\(\s*["']([^"']+)["']\s*\)/g);
  return [
    ...[...statements].map((match) => ({ from: file, specifier: match[2] ?? "", typeOnly: match[1] !== undefined })),
    ...[...dynamic].map((match) => ({ from: file, specifier: match[1] ?? "", typeOnly: false })),
  ];
}

/** Prose may say "any": code may not. */
function withoutComments(text: string): string {
  return text.replaceAll(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, "");
}

function folderOf(file: string): string {
  const parts = relative(src, file).split(sep);
  return parts.length === 1 ? "" : (parts[0] ?? "");
}

const files = sources(src);
const all = files.flatMap(importsOf);
const show = (item: Import): string => `${relative(src, item.from)} -> ${item.specifier}`;

function target(item: Import): string {
  return resolve(dirname(item.from), item.specifier).replace(/\.js$/, ".ts");
}

describe("layering", () => {
  test("finds the sources and their imports, or the rules below check nothing", () => {
    expect(files.length).toBeGreaterThan(50);
    expect(all.length).toBeGreaterThan(200);
  });

  test("every folder has a rank", () => {
    const unknown = files.map(folderOf).filter((folder) => folder !== "" && !islands.includes(folder) && ranks[folder] === undefined);
    expect([...new Set(unknown)]).toEqual([]);
    const strayRoots = files.filter((file) => folderOf(file) === "").map((file) => relative(src, file)).filter((file) => !roots.includes(file));
    expect(strayRoots).toEqual([]);
  });

  test("a file imports its own folder or a lower rank only", () => {
    const wrong = all.filter((item) => item.specifier.startsWith(".")).filter((item) => {
      const from = folderOf(item.from);
      const to = folderOf(target(item));
      if (from === to || from === "") return false;
      if (islands.includes(from) || islands.includes(to) || to === "") return true;
      return (ranks[to] ?? Infinity) >= (ranks[from] ?? -1);
    });
    expect(wrong.map(show)).toEqual([]);
  });

  test("each library is imported in its home folder alone", () => {
    const wrong = all.filter((item) => {
      const home = Object.entries(homes).find(([library]) => item.specifier === library || item.specifier.startsWith(`${library}/`));
      return home !== undefined && !home[1].folders.includes(folderOf(item.from));
    });
    expect(wrong.map(show)).toEqual([]);
  });

  test("no import cycle", () => {
    const graph = new Map<string, string[]>();
    for (const item of all) {
      if (item.typeOnly || !item.specifier.startsWith(".")) continue;
      graph.set(item.from, [...(graph.get(item.from) ?? []), target(item)]);
    }
    expect(cycleIn(graph)).toEqual([]);
  });

  test("no barrel, no utils file, no typed any, no switched-off check, no bare error outside kernel and embedded", () => {
    const faults = files.flatMap((file) => {
      const name = relative(src, file);
      const text = withoutComments(readFileSync(file, "utf8"));
      const found: string[] = [];
      if (/(^|[/\\])(index|utils?|helpers?)\.tsx?$/.test(name)) found.push(`${name}: name`);
      if (/:\s*any\b|\bas any\b|<any>/.test(text) || /@ts-(ignore|nocheck|expect-error)|(oxlint|eslint)-disable/.test(readFileSync(file, "utf8"))) found.push(`${name}: any or a switched-off check`);
      if (/throw new Error\(/.test(text) && !["kernel", "embedded"].includes(folderOf(file))) found.push(`${name}: bare error`);
      if (/process\.env/.test(text) && name !== "main.ts") found.push(`${name}: process.env`);
      return found;
    });
    expect(faults).toEqual([]);
  });

  test("a file past 400 lines says why in its first lines", () => {
    const long = files.filter((file) => {
      const lines = readFileSync(file, "utf8").split("\n");
      return lines.length > 400 && !/long because|Long because/.test(lines.slice(0, 12).join("\n"));
    });
    expect(long.map((file) => relative(src, file))).toEqual([]);
  });
});

/** The files of one cycle, or none. Iterative, so that a deep tree cannot overflow the stack. */
function cycleIn(graph: ReadonlyMap<string, readonly string[]>): string[] {
  const done = new Set<string>();
  for (const start of graph.keys()) {
    const path: string[] = [];
    const stack: { file: string; entered: boolean }[] = [{ file: start, entered: false }];
    while (stack.length > 0) {
      const top = stack.pop();
      if (top === undefined) break;
      if (top.entered) {
        path.pop();
        done.add(top.file);
      } else if (path.includes(top.file)) {
        return [...path.slice(path.indexOf(top.file)), top.file].map((file) => relative(src, file));
      } else if (!done.has(top.file)) {
        path.push(top.file);
        stack.push({ file: top.file, entered: true });
        for (const next of graph.get(top.file) ?? []) stack.push({ file: next, entered: false });
      }
    }
  }
  return [];
}
