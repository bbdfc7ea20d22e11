import { mkdirSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { printSortedSchema } from "../src/graphql/build-schema.js";

const directory = new URL("../schema/", import.meta.url);
mkdirSync(directory, { recursive: true });
const target = fileURLToPath(new URL("schema.graphql", directory));
writeFileSync(target, printSortedSchema());
process.stdout.write("Wrote schema/schema.graphql\n");
