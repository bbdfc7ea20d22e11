/** A copy of the repository in which every driver call of a tenant can lose its tenant, one at a time and by name. */
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { internal } from "../../../src/kernel/errors.js";
import { findDriverCalls, nameOfCall, type DriverCall } from "./driver-calls.js";
import { withoutTenant } from "./tenant-calls.js";

const copied = ["src", "test", "schema", "tenants", "scripts", "package.json", "tsconfig.json", "README.md"] as const;

export interface CallList {
  /** Calls that carry a tenant: one mutant each. */
  readonly tenant: readonly DriverCall[];
  /** Calls that carry none, by the reason's name. */
  readonly platform: readonly DriverCall[];
  /** Reasons that no call needs any more. */
  readonly stale: readonly string[];
}

function reasonOf(call: DriverCall): string | undefined {
  return Object.keys(withoutTenant).find((name) => name === call.file || name === `${call.file} ${call.within}`);
}

export function listCalls(root: string): CallList {
  const calls = findDriverCalls(root);
  const used = new Set(calls.map(reasonOf));
  return { tenant: calls.filter((call) => reasonOf(call) === undefined), platform: calls.filter((call) => reasonOf(call) !== undefined), stale: Object.keys(withoutTenant).filter((name) => !used.has(name)) };
}

export class MutantTree {
  private constructor(readonly root: string, readonly names: readonly string[]) {}

  static make(repository: string): MutantTree {
    const root = mkdtempSync(join(tmpdir(), "bulkhead-mutants-"));
    for (const name of copied) cpSync(join(repository, name), join(root, name), { recursive: true });
    symlinkSync(join(repository, "node_modules"), join(root, "node_modules"));
    const calls = listCalls(repository).tenant;
    for (const file of new Set(calls.map((call) => call.file))) wrapCalls(root, file, calls.filter((call) => call.file === file));
    return new MutantTree(root, calls.map(nameOfCall));
  }

  remove(): void {
    rmSync(this.root, { recursive: true, force: true });
  }
}

function wrapCalls(root: string, file: string, calls: readonly DriverCall[]): void {
  const path = join(root, "src/storage", file);
  let text = readFileSync(path, "utf8");
  // From the end, so that places before stay where they are. Calls within an argument of another are none here.
  for (const call of calls.toSorted((a, b) => (b.argument?.start ?? 0) - (a.argument?.start ?? 0))) {
    if (call.argument === undefined) throw internal(`${nameOfCall(call)} has no argument that could carry a tenant, and no reason why`);
    const { start, end } = call.argument;
    text = `${text.slice(0, start)}mutated(${JSON.stringify(nameOfCall(call))}, ${text.slice(start, end)})${text.slice(end)}`;
  }
  const helper = relative(dirname(path), join(root, "test/audit/mutants/mutated.js"));
  writeFileSync(path, `import { mutated } from ${JSON.stringify(helper.startsWith(".") ? helper : `./${helper}`)};\n${text}`);
}
