import { isIntrospectionType, isObjectType, type GraphQLSchema } from "graphql";
import { internal } from "../kernel/errors.js";
import type { FieldRule, FieldRules } from "./permissions.js";

/** What is printed at start: how many fields there are, how many have a rule, and why the others need none. */
export interface RuleCoverage {
  readonly fields: number;
  /** Fields with a rule that looks at the caller. */
  readonly ruled: number;
  /** Plain allows, `Type.field`, by their reason. */
  readonly allowed: ReadonlyMap<string, readonly string[]>;
}

/**
 * Compares the rules with the schema. Throws when a field of any object type, `Subscription`
 * included, has no entry, and when an entry has no field: a stale entry would be taken for cover
 * after a rename.
 */
export function assertRuleCoverage(schema: GraphQLSchema, rules: FieldRules): RuleCoverage {
  const fields = new Set<string>(objectFields(schema));
  const entries = new Map<string, FieldRule>(Object.entries(rules).flatMap(([type, byField]) => Object.entries(byField).map(([field, entry]) => [`${type}.${field}`, entry] as const)));
  const unruled = [...fields].filter((field) => !entries.has(field));
  if (unruled.length > 0) throw internal(`Refusing to start: got no permission rule for ${unruled.join(", ")}, expected one for every field`);
  const stale = [...entries.keys()].filter((field) => !fields.has(field));
  if (stale.length > 0) throw internal(`Refusing to start: got permission rules for ${stale.join(", ")}, which the schema does not have`);
  const allowed = new Map<string, string[]>();
  for (const [field, entry] of entries) {
    if (entry.kind === "ALLOW") allowed.set(entry.reason, [...(allowed.get(entry.reason) ?? []), field]);
  }
  return { fields: fields.size, ruled: [...entries.values()].filter((entry) => entry.kind === "RULE").length, allowed };
}

export function describeCoverage(coverage: RuleCoverage): string {
  const plain = coverage.fields - coverage.ruled;
  const reasons = [...coverage.allowed].map(([reason, fields]) => `  ${fields.length} fields: ${reason}\n    ${byType(fields)}`);
  return [`Permission rules: ${coverage.fields} fields, ${coverage.ruled} with a rule, ${plain} plain allows, 0 without an entry`, ...reasons].join("\n");
}

/** `Type.{a, b}` for `Type.a` and `Type.b`: hundreds of fields are read by type. */
function byType(fields: readonly string[]): string {
  const types = new Map<string, string[]>();
  for (const field of fields) {
    const [type = "", name = ""] = field.split(".");
    types.set(type, [...(types.get(type) ?? []), name]);
  }
  return [...types].map(([type, names]) => `${type}.{${names.join(", ")}}`).join("  ");
}

function objectFields(schema: GraphQLSchema): readonly string[] {
  return Object.values(schema.getTypeMap())
    .filter((type) => isObjectType(type) && !isIntrospectionType(type))
    .flatMap((type) => (isObjectType(type) ? Object.keys(type.getFields()).map((field) => `${type.name}.${field}`) : []));
}
