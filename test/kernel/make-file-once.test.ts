import { mkdtemp, readFile, readdir, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { makeFileOnce } from "../../src/kernel/make-file-once.js";

test("of many makers of one file the first wins, all read the same, and no draft is left", async () => {
  const folder = await mkdtemp(join(tmpdir(), "bulkhead-once-"));
  const path = join(folder, "key");
  const read = await Promise.all(
    Array.from({ length: 20 }, async (_, index) => {
      await makeFileOnce(path, `content of ${index}`);
      return readFile(path, "utf8");
    }),
  );
  expect(new Set(read).size).toBe(1);
  expect(await readdir(folder)).toEqual(["key"]);
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  await makeFileOnce(path, "later");
  expect(await readFile(path, "utf8")).toBe(read[0]);
  await rm(folder, { recursive: true });
});

test("a folder that cannot be written is an error, not a file that is missing later", async () => {
  await expect(makeFileOnce(join(tmpdir(), "bulkhead-no-such-folder", "key"), "x")).rejects.toMatchObject({ code: "ENOENT" });
});
