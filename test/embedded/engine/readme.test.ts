import { readFile, writeFile } from "node:fs/promises";
import { expect, it } from "vitest";
import { commandTable } from "../../../src/embedded/commands/describe-commands.js";

const path = new URL("../../../src/embedded/README.md", import.meta.url);
const section = /(<!-- commands:[^\n]*-->\n)([\s\S]*?)(<!-- \/commands -->)/;

it("the README lists exactly the commands that are served", async () => {
  const readme = await readFile(path, "utf8");
  const wanted = readme.replace(section, (_, start: string, _old: string, end: string) => `${start}\n${commandTable()}\n\n${end}`);
  if (process.env["UPDATE_README"] === "1") await writeFile(path, wanted);
  else expect(readme).toBe(wanted);
});
