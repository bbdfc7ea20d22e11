/*
 * The table of what is served, for the folder's README; a test keeps the two alike.
 * Before it: registry.ts; after it: people.
 */
import { COMMANDS } from "./registry.js";

/** Markdown, one row a command, in the order of the registry. */
export function commandTable(): string {
  const rows = COMMANDS.map(({ name, inTransaction, served }) => `| \`${name}\` | ${inTransaction ? "yes" : "no"} | ${served.replaceAll("|", "\\|")} |`);
  return ["| command | in a transaction | served, and refused |", "|---|---|---|", ...rows].join("\n");
}
