import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { serverIdOf } from "../../src/server-id.js";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "bulkhead-server-id-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

test("a server keeps its name across starts", async () => {
  const id = await serverIdOf(folder);
  expect(id).toMatch(/^[\w-]{16}$/);
  expect(await serverIdOf(folder)).toBe(id);
});

test("servers that start at once in one folder all start, with one name, and leave nothing else behind", async () => {
  const ids = await Promise.all(Array.from({ length: 20 }, () => serverIdOf(folder)));
  expect(new Set(ids).size).toBe(1);
  expect(await readdir(folder)).toEqual(["server-id"]);
});

test("a server killed while it wrote its name gets one at its next start", async () => {
  await writeFile(join(folder, "server-id"), "");
  expect(await serverIdOf(folder)).toMatch(/^[\w-]{16}$/);
});
