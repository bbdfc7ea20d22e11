import { readdirSync, readFileSync } from "node:fs";
import { generateTypes } from "./generate-types.js";

const operationsFolder = new URL("../../src/console/operations/", import.meta.url);

/** Committed, so that a reviewer sees what a change of the schema does to the console. */
export const consoleTypesFile = new URL("../../src/console/generated/operations.ts", import.meta.url);

/** What `consoleTypesFile` must hold. */
export function consoleTypes(): Promise<string> {
  const schema = readFileSync(new URL("../../schema/schema.graphql", import.meta.url), "utf8");
  const files = readdirSync(operationsFolder).filter((name) => name.endsWith(".graphql")).toSorted();
  return generateTypes(schema, files.map((file) => ({ file, text: readFileSync(new URL(file, operationsFolder), "utf8") })));
}
