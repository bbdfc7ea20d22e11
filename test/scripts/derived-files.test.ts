import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { generateClient } from "../../scripts/example-client/generate.js";
import { withConfigurationTable } from "../../scripts/readme-configuration.js";
import { readOperations, trustedManifest } from "../../scripts/trusted-documents.js";
import { aboutVariable, variableNames } from "../../src/config-variables.js";
import { printSortedSchema } from "../../src/graphql/build-schema.js";

const read = (name: string): string => readFileSync(new URL(`../../${name}`, import.meta.url), "utf8");
const operations = readOperations();

/** `npm run schema` writes each anew. */
test("the trusted documents are the operations of schema/operations", () => {
  expect(read("schema/trusted-documents.json")).toBe(trustedManifest(operations));
});

test("the example client's types are those of the schema and its operations", async () => {
  expect(read("scripts/example-client/generated.ts")).toBe(await generateClient(printSortedSchema(), operations));
});

test("README's table of variables is what the code reads", () => {
  expect(read("README.md")).toBe(withConfigurationTable(read("README.md")));
});

test("every variable says what it is for", () => {
  for (const name of variableNames) expect([name, aboutVariable(name).does]).toEqual([name, expect.stringMatching(/\w{3}/u)]);
});

test("no two operations share a name, by which clients and logs know them", () => {
  const names = operations.map(({ name }) => name);
  expect(names.toSorted()).toEqual([...new Set(names)].toSorted());
});
