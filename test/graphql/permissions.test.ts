import { isEnumType, isInputObjectType, isListType, isNonNullType, isScalarType, type GraphQLArgument, type GraphQLField, type GraphQLInputType } from "graphql";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { buildGuardedSchema } from "../../src/graphql/build-schema.js";
import { fieldRules, type FieldRules } from "../../src/graphql/permissions.js";
import { assertRuleCoverage, describeCoverage } from "../../src/graphql/rule-coverage.js";
import { tenantOwnedTypes } from "../../src/graphql/tenant-tag.js";
import { codeOf, startHarness, type Harness } from "../gateway/harness.js";

const { schema, coverage } = buildGuardedSchema();

function without(type: string, field: string): FieldRules {
  return { ...fieldRules, [type]: Object.fromEntries(Object.entries(fieldRules[type] ?? {}).filter(([name]) => name !== field)) };
}

describe("coverage", () => {
  test.each([["Query", "document"], ["Subscription", "ingestion"], ["Mutation", "ask"], ["Document", "title"], ["PageInfo", "endCursor"]])("a schema in which %s.%s has no rule is not built", (type, field) => {
    expect(() => buildGuardedSchema(without(type, field))).toThrow(`${type}.${field}`);
  });

  test("a rule for a field that is not there is refused as well", () => {
    expect(() => buildGuardedSchema({ ...fieldRules, Document: { ...fieldRules.Document, titel: fieldRules.Document?.title as never } })).toThrow("Document.titel");
  });

  test("counts every field once, and gives each plain allow its reason", () => {
    const allowed = [...coverage.allowed.values()].flat();
    expect(coverage.fields).toBe(coverage.ruled + allowed.length);
    expect(new Set(allowed).size).toBe(allowed.length);
    for (const reason of coverage.allowed.keys()) expect(reason.length).toBeGreaterThan(20);
    const report = describeCoverage(coverage);
    const listed = [...report.matchAll(/(\w+)\.\{([^}]+)\}/g)].flatMap(([, type, fields]) => (fields ?? "").split(", ").map((field) => `${type}.${field}`));
    expect(listed.toSorted()).toEqual(allowed.toSorted());
    expect(assertRuleCoverage(schema, fieldRules)).toEqual(coverage);
  });

  test("no root field is a plain allow", () => {
    for (const root of ["Query", "Mutation", "Subscription"]) {
      for (const [field, entry] of Object.entries(fieldRules[root] ?? {})) expect([field, entry.kind]).toEqual([field, "RULE"]);
    }
  });

  test("what is allowed because of a tag has a tag", () => {
    const tagged = [...coverage.allowed].filter(([reason]) => reason.includes("tenant tag")).flatMap(([, fields]) => fields.map((field) => field.split(".")[0]));
    expect([...new Set(tagged)].toSorted()).toEqual([...tenantOwnedTypes].toSorted());
  });
});

describe("every root field, asked by everyone", () => {
  let harness: Harness;
  const tokens = new Map<string, string>();
  beforeAll(async () => {
    harness = await startHarness({ production: false });
    tokens.set("member", await harness.member()).set("admin", await harness.admin()).set("operator", await harness.operator()).set("nobody", await harness.token({ roles: [] }));
  });
  afterAll(() => harness.gateway.drain());

  const allowedRoles: Readonly<Record<string, readonly string[]>> = { member: ["member", "admin"], admin: ["admin"], operator: ["operator"] };
  const cases = (["Query", "Mutation"] as const).flatMap((root) =>
    Object.values(schema.getType(root) === undefined ? {} : (schema.getType(root) as unknown as { getFields(): Record<string, GraphQLField<unknown, unknown>> }).getFields()).map((field) => [root, field.name, field] as const),
  );

  test.each(cases)("%s.%s serves its roles and denies the others", async (root, name, field) => {
    const entry = fieldRules[root]?.[name];
    const query = `${root === "Query" ? "query" : "mutation"} { ${name}${argsOf(field)} { __typename } }`;
    for (const [role, token] of tokens) {
      const answer = await harness.query(query, { token });
      const isAllowed = entry?.kind === "RULE" && (allowedRoles[entry.name] ?? []).includes(role);
      expect([role, codeOf(answer) === "FORBIDDEN"]).toEqual([role, !isAllowed]);
      // A validation error would look like a denial that is none.
      expect(codeOf(answer)).not.toBe("BAD_USER_INPUT");
    }
    expect((await harness.query(query)).status).toBe(401);
  });
});

/** The least arguments that validate, made from the schema so that new fields are covered when they appear. */
function argsOf(field: GraphQLField<unknown, unknown>): string {
  const required = field.args.filter((arg) => isNonNullType(arg.type)).map((arg: GraphQLArgument) => `${arg.name}: ${literal(arg.type)}`);
  return required.length === 0 ? "" : `(${required.join(", ")})`;
}

function literal(type: GraphQLInputType): string {
  if (isNonNullType(type)) return literal(type.ofType);
  if (isListType(type)) return "[]";
  if (isEnumType(type)) return type.getValues()[0]?.name ?? "";
  if (isScalarType(type) && type.name === "DateTime") return '"2026-01-01T00:00:00Z"';
  if (isScalarType(type)) return type.name === "Int" || type.name === "SafeInt" ? "1" : '"sample"';
  if (!isInputObjectType(type)) return "null";
  const fields = Object.values(type.getFields()).filter((field) => isNonNullType(field.type)).map((field) => `${field.name}: ${literal(field.type)}`);
  return `{ ${[...fields, ...(type.name === "IngestDocumentInput" ? ['content: "x"'] : [])].join(", ")} }`;
}
