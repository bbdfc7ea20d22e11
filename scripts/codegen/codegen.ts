import { writeFileSync } from "node:fs";
import { consoleTypes, consoleTypesFile } from "./console-types.js";

writeFileSync(consoleTypesFile, await consoleTypes());
process.stdout.write("Wrote src/console/generated/operations.ts\n");
