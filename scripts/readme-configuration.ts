import { configurationTable } from "../src/config-variables.js";
import { internal } from "../src/kernel/errors.js";

const begin = "<!-- configuration: written by npm run schema -->";
const end = "<!-- end of configuration -->";

/** README with the table of variables between its markers. Throws `INTERNAL` without them. */
export function withConfigurationTable(readme: string): string {
  const from = readme.indexOf(begin);
  const to = readme.indexOf(end);
  if (from === -1 || to < from) throw internal("README has no place for the configuration");
  return `${readme.slice(0, from + begin.length)}\n\n${configurationTable()}\n\n${readme.slice(to)}`;
}
