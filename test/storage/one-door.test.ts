import { readFile, readdir } from "node:fs/promises";
import { describe, expect, it } from "vitest";

const folder = new URL("../../src/storage/", import.meta.url);

/** Who may touch the driver's collections of tenants, and why it cannot leave the tenant. */
const doors: Readonly<Record<string, string>> = {
  "scoped-reader.ts": "adds the scope to every filter and checks every row",
  "scoped-writer.ts": "the same for writes, inside a fenced transaction",
  "fence.ts": "the fence itself, by the tenant's key",
  "totals.ts": "makes the tenant's one row of totals with its first stripe",
  "declare-collections.ts": "validators and indexes, no rows",
  "declare-search-index.ts": "search indexes, no rows",
  "check-deployment.ts": "asks for search indexes, no rows",
};

describe("the driver's collections", () => {
  it("are touched by the few files that cannot leave the tenant", async () => {
    const names = (await readdir(folder)).filter((name) => name.endsWith(".ts"));
    expect(names.length).toBeGreaterThan(Object.keys(doors).length);
    const touching: string[] = [];
    for (const name of names) if (/\.collection(<[^>]*>)?\(/.test(await readFile(new URL(name, folder), "utf8"))) touching.push(name);
    expect(touching.toSorted()).toEqual(Object.keys(doors).toSorted());
  });
});
