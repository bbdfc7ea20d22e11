/** Writes everything that is derived from the code: the schema, the trusted documents, the example client's types and README's table of variables. */
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { printSortedSchema } from "../src/graphql/build-schema.js";
import { generateClient } from "./example-client/generate.js";
import { withConfigurationTable } from "./readme-configuration.js";
import { readOperations, trustedManifest } from "./trusted-documents.js";

function write(name: string, text: string): void {
  writeFileSync(fileURLToPath(new URL(`../${name}`, import.meta.url)), text);
  process.stdout.write(`Wrote ${name}\n`);
}

const schema = printSortedSchema();
const operations = readOperations();
write("schema/schema.graphql", schema);
write("schema/trusted-documents.json", trustedManifest(operations));
write("scripts/example-client/generated.ts", await generateClient(schema, operations));
const readme = new URL("../README.md", import.meta.url);
write("README.md", withConfigurationTable(readFileSync(readme, "utf8")));
