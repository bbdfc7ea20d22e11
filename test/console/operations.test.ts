import { readdirSync, readFileSync } from "node:fs";
import { buildSchema, Kind, parse, specifiedRules, validate } from "graphql";
import { expect, test } from "vitest";
import { consoleTypes, consoleTypesFile } from "../../scripts/codegen/console-types.js";
import { structuralLimits } from "../../src/graphql/query-limits.js";

const folder = new URL("../../src/console/operations/", import.meta.url);
const files = readdirSync(folder).filter((name) => name.endsWith(".graphql"));
const schema = buildSchema(readFileSync(new URL("../../schema/schema.graphql", import.meta.url), "utf8"));

test("the console's types are what schema and operations say; `npm run codegen` writes them anew", async () => {
  expect(readFileSync(consoleTypesFile, "utf8")).toBe(await consoleTypes());
});

test.each(files)("the console's operations in %s validate, and stay within the limits of a document", (file) => {
  const document = parse(readFileSync(new URL(file, folder), "utf8"));
  // Each operation is sent alone, with the fragments it uses.
  expect(validate(schema, document, [...specifiedRules, structuralLimits])).toEqual([]);
  for (const definition of document.definitions) expect([Kind.OPERATION_DEFINITION, Kind.FRAGMENT_DEFINITION]).toContain(definition.kind);
});
