import { readdirSync, readFileSync } from "node:fs";
import { isInputObjectType, isIntrospectionType, isObjectType, isEnumType, parse, specifiedRules, validate, getNamedType } from "graphql";
import { expect, test } from "vitest";
import { buildGuardedSchema, printSortedSchema } from "../../src/graphql/build-schema.js";
import { fieldRules } from "../../src/graphql/permissions.js";
import { QueryCosts } from "../../src/graphql/query-cost.js";
import { structuralLimits } from "../../src/graphql/query-limits.js";

const root = new URL("../../schema/", import.meta.url);
const { schema } = buildGuardedSchema();
const operations = readdirSync(new URL("operations/", root)).filter((name) => name.endsWith(".graphql"));

test("schema/schema.graphql is what the classes say; `npm run schema` writes it anew", () => {
  expect(readFileSync(new URL("schema.graphql", root), "utf8")).toBe(printSortedSchema());
});

test.each(operations)("operation %s validates and stays within the limits", (name) => {
  const document = parse(readFileSync(new URL(`operations/${name}`, root), "utf8"));
  expect(validate(schema, document, [...specifiedRules, structuralLimits])).toEqual([]);
  for (const definition of document.definitions) {
    if (definition.kind === "OperationDefinition" && (definition.variableDefinitions ?? []).length === 0) expect(new QueryCosts(schema).check(document, definition, {})).toBeGreaterThan(0);
  }
});

test("there is an example for every root field", () => {
  const text = operations.map((name) => readFileSync(new URL(`operations/${name}`, root), "utf8")).join("\n");
  for (const type of [schema.getQueryType(), schema.getMutationType(), schema.getSubscriptionType()]) {
    for (const field of Object.keys(type?.getFields() ?? {})) expect(text).toMatch(new RegExp(`\\b${field}\\b`));
  }
});

test("root fields are nullable, so that one failure does not void its neighbours", () => {
  for (const type of [schema.getQueryType(), schema.getMutationType(), schema.getSubscriptionType()]) {
    for (const field of Object.values(type?.getFields() ?? {})) expect(`${field.name}: ${String(field.type)}`).not.toMatch(/!$/);
  }
});

test("no field of a tenant's schema takes a tenant id", () => {
  for (const rootType of ["Query", "Mutation", "Subscription"]) {
    const type = schema.getType(rootType);
    if (!isObjectType(type)) continue;
    for (const field of Object.values(type.getFields())) {
      const entry = fieldRules[rootType]?.[field.name];
      if (entry?.kind === "RULE" && entry.name === "operator") continue;
      const names = field.args.flatMap((arg) => {
        const input = getNamedType(arg.type);
        return [arg.name, ...(isInputObjectType(input) ? Object.keys(input.getFields()) : [])];
      });
      expect([field.name, names.filter((name) => /tenant/i.test(name))]).toEqual([field.name, []]);
    }
  }
});

test("everything a caller can see is described", () => {
  for (const type of Object.values(schema.getTypeMap())) {
    if (isIntrospectionType(type)) continue;
    if (type.name !== "Query" && type.name !== "Mutation" && type.name !== "Subscription") expect([type.name, type.description]).toEqual([type.name, expect.stringMatching(/\w/)]);
    if (!isObjectType(type) && !isInputObjectType(type)) continue;
    for (const field of Object.values(type.getFields())) expect([`${type.name}.${field.name}`, field.description]).toEqual([`${type.name}.${field.name}`, expect.stringMatching(/\w/)]);
  }
  expect(isEnumType(schema.getType("Tier"))).toBe(true);
});
