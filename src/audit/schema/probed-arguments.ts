import { getNamedType, isInputObjectType, isIntrospectionType, isObjectType, type GraphQLField, type GraphQLInputType, type GraphQLObjectType, type GraphQLSchema } from "graphql";

export type OperationKind = "query" | "mutation" | "subscription";

/** What an id can name. */
export type ObjectKind = "document" | "passage" | "conversation" | "message" | "adapter" | "move" | "tenant" | "report";

/** A value that a caller may send: where it goes, and how it can be turned against another tenant. */
export interface ProbedArgument {
  readonly operation: OperationKind;
  readonly field: string;
  /** Path inside the arguments, such as `input.filter.documentIds`. */
  readonly path: readonly string[];
  readonly leaf: "ID" | "CURSOR" | "TEXT" | "PLAIN";
  /** For ids: undefined when neither the argument's name nor the field's type says what it names. */
  readonly kind?: ObjectKind;
}

/** A field below the roots that takes arguments, such as `Conversation.messages`. */
export interface NestedField {
  readonly parent: string;
  readonly field: string;
  readonly leaves: readonly { readonly path: readonly string[]; readonly leaf: ProbedArgument["leaf"] }[];
}

const kinds: Readonly<Record<string, ObjectKind>> = {
  document: "document", ingestion: "document", passage: "passage", chunk: "passage", conversation: "conversation", message: "message", adapter: "adapter",
  placementmove: "move", move: "move", tenant: "tenant", isolationreport: "report", report: "report",
};
const cursorNames: ReadonlySet<string> = new Set(["after", "before", "cursor"]);
/** Scalars whose values hold no text that could mean anything to a database. */
const plainScalars: ReadonlySet<string> = new Set(["Int", "Float", "Boolean", "DateTime", "SafeInt"]);

export function rootsOf(schema: GraphQLSchema): readonly { readonly operation: OperationKind; readonly type: GraphQLObjectType }[] {
  const roots = [["query", schema.getQueryType()], ["mutation", schema.getMutationType()], ["subscription", schema.getSubscriptionType()]] as const;
  return roots.flatMap(([operation, type]) => (type ? [{ operation, type }] : []));
}

/** Every value of every root field, found in the schema: a new field is attacked the day it appears. */
export function probedArguments(schema: GraphQLSchema): readonly ProbedArgument[] {
  return rootsOf(schema).flatMap(({ operation, type }) =>
    Object.values(type.getFields()).flatMap((field) => leavesOf(field).map(({ path, leaf }) => {
      const kind = leaf === "ID" ? kindOf(path, field) : undefined;
      return { operation, field: field.name, path, leaf, ...(kind === undefined ? {} : { kind }) };
    })),
  );
}

export function nestedFields(schema: GraphQLSchema): readonly NestedField[] {
  const roots = new Set(rootsOf(schema).map(({ type }) => type.name));
  return Object.values(schema.getTypeMap())
    .filter((type): type is GraphQLObjectType => isObjectType(type) && !isIntrospectionType(type) && !roots.has(type.name))
    .flatMap((type) => Object.values(type.getFields()).filter((field) => field.args.length > 0).map((field) => ({ parent: type.name, field: field.name, leaves: leavesOf(field) })));
}

function leavesOf(field: GraphQLField<unknown, unknown>): { path: readonly string[]; leaf: ProbedArgument["leaf"] }[] {
  return field.args.flatMap((argument) => leavesIn(argument.type, [argument.name], new Set()));
}

function leavesIn(type: GraphQLInputType, path: readonly string[], within: ReadonlySet<string>): { path: readonly string[]; leaf: ProbedArgument["leaf"] }[] {
  const named = getNamedType(type);
  if (isInputObjectType(named)) {
    // An input that holds itself would have no end; one round of it has every leaf.
    if (within.has(named.name)) return [];
    return Object.values(named.getFields()).flatMap((field) => leavesIn(field.type, [...path, field.name], new Set([...within, named.name])));
  }
  return [{ path, leaf: leafOf(named.name, path.at(-1) ?? "", "getValues" in named) }];
}

function leafOf(type: string, name: string, isEnum: boolean): ProbedArgument["leaf"] {
  if (type === "ID") return "ID";
  if (type === "String" && cursorNames.has(name)) return "CURSOR";
  return isEnum || plainScalars.has(type) ? "PLAIN" : "TEXT";
}

/** `input.documentIds` names documents; a bare `id` names what the field gives. */
function kindOf(path: readonly string[], field: GraphQLField<unknown, unknown>): ObjectKind | undefined {
  const name = path.at(-1) ?? "";
  const said = /^(.+)Ids?$/.exec(name)?.[1];
  const noun = said ?? getNamedType(field.type).name.replace(/(Payload|Event|Connection)$/, "");
  return kinds[noun.toLowerCase()];
}
