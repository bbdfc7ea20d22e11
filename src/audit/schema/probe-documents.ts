import { getNamedType, isEnumType, isInputObjectType, isListType, isNonNullType, isObjectType, isScalarType, isUnionType, parse, type DocumentNode, type GraphQLField, type GraphQLInputType, type GraphQLObjectType, type GraphQLSchema } from "graphql";
import { internal } from "../../kernel/errors.js";
import { rootsOf, type OperationKind } from "./probed-arguments.js";

/** Three levels hold every scalar that a tenant's objects have. */
const depthMax = 3;

export interface Call {
  readonly field: string;
  readonly path: readonly string[];
  readonly value: unknown;
}

export interface ProbeOperation {
  readonly document: DocumentNode;
  readonly variables: Readonly<Record<string, unknown>>;
}

/** Makes operations for any field of the schema: everything it can answer is selected, and the least that it demands is sent. */
export class ProbeDocuments {
  readonly #parsed = new Map<string, DocumentNode>();

  constructor(private readonly schema: GraphQLSchema) {}

  /** One operation with a field `a0`, `a1`, … for each call: a value at a path, everything else as small as it may be. */
  of(operation: OperationKind, calls: readonly Call[]): ProbeOperation {
    const variables: Record<string, unknown> = {};
    const head: string[] = [];
    const body = calls.map((call, at) => {
      const field = this.field(operation, call.field);
      const used = field.args.filter((argument) => argument.name === call.path[0] || isNonNullType(argument.type));
      for (const argument of used) {
        head.push(`$a${at}_${argument.name}: ${String(argument.type)}`);
        variables[`a${at}_${argument.name}`] = valueAt(argument.type, argument.name === call.path[0] ? call.path.slice(1) : [], argument.name === call.path[0] ? { value: call.value } : undefined);
      }
      const given = used.map((argument) => `${argument.name}: $a${at}_${argument.name}`).join(", ");
      return `a${at}: ${call.field}${given === "" ? "" : `(${given})`} ${selectionOf(field)}`;
    });
    return { document: this.parse(`${operation} ${head.length === 0 ? "" : `(${head.join(", ")})`} { ${body.join(" ")} }`), variables };
  }

  /** A field below the roots, reached by the id of what holds it. Undefined when no query gives such an object by its id. */
  nested(parent: string, field: string, argument: string, ownerId: string, value: unknown): ProbeOperation | undefined {
    const root = rootsOf(this.schema).find(({ operation }) => operation === "query")?.type;
    const holder = Object.values(root?.getFields() ?? {}).find((candidate) => getNamedType(candidate.type).name === parent && candidate.args.length === 1 && candidate.args[0]?.name === "id");
    const inner = (this.schema.getType(parent) as GraphQLObjectType).getFields()[field];
    const type = inner?.args.find((candidate) => candidate.name === argument)?.type;
    if (holder === undefined || inner === undefined || type === undefined) return undefined;
    return { document: this.parse(`query ($id: ID!, $value: ${String(type)}) { a0: ${holder.name}(id: $id) { ${field}(${argument}: $value) ${selectionOf(inner)} } }`), variables: { id: ownerId, value } };
  }

  parse(text: string): DocumentNode {
    let document = this.#parsed.get(text);
    if (document === undefined) {
      document = parse(text, { noLocation: true });
      this.#parsed.set(text, document);
    }
    return document;
  }

  field(operation: OperationKind, name: string): GraphQLField<unknown, unknown> {
    const field = rootsOf(this.schema).find((root) => root.operation === operation)?.type.getFields()[name];
    if (field === undefined) throw internal(`The schema has no ${operation} ${name}`);
    return field;
  }
}

/** A fresh key where one is asked for: without it `answer` is refused before any id is looked at. */
const keyName = "idempotencyKey";
let keys = 0;

function valueAt(type: GraphQLInputType, path: readonly string[], wanted: { readonly value: unknown } | undefined): unknown {
  if (isNonNullType(type)) return valueAt(type.ofType as GraphQLInputType, path, wanted);
  if (wanted !== undefined && path.length === 0) return isListType(type) && !Array.isArray(wanted.value) ? [wanted.value] : wanted.value;
  if (isListType(type)) return [valueAt(type.ofType as GraphQLInputType, path, wanted)];
  if (isInputObjectType(type)) {
    const fields = Object.values(type.getFields()).filter((field) => field.name === path[0] || isNonNullType(field.type) || field.name === keyName);
    return Object.fromEntries(fields.map((field) => [field.name, field.name === path[0] ? valueAt(field.type, path.slice(1), wanted) : leastOf(field.name, field.type)]));
  }
  return leastOf("", type);
}

function leastOf(name: string, type: GraphQLInputType): unknown {
  if (name === keyName) return `audit-${(keys += 1)}-${Math.random()}`;
  if (isNonNullType(type)) return leastOf(name, type.ofType as GraphQLInputType);
  if (isListType(type)) return [leastOf(name, type.ofType as GraphQLInputType)];
  if (isInputObjectType(type)) return Object.fromEntries(Object.values(type.getFields()).filter((field) => isNonNullType(field.type)).map((field) => [field.name, leastOf(field.name, field.type)]));
  if (isEnumType(type)) return type.getValues()[0]?.name;
  switch (isScalarType(type) ? type.name : "") {
    case "Int":
    case "SafeInt":
      return 1;
    case "Float":
      return 0.5;
    case "Boolean":
      return true;
    case "DateTime":
      return "2026-01-01T00:00:00.000Z";
    default:
      return "some text";
  }
}

function selectionOf(field: GraphQLField<unknown, unknown>, depth = depthMax): string {
  const type = getNamedType(field.type);
  if (isUnionType(type)) return `{ __typename ${type.getTypes().map((member) => `... on ${member.name} ${fieldsOf(member, depth, `${member.name}_`)}`).join(" ")} }`;
  return isObjectType(type) ? fieldsOf(type, depth, "") : "";
}

/** Aliased by their type in a union: two members may have a field of one name and of different types. */
function fieldsOf(type: GraphQLObjectType, depth: number, prefix: string): string {
  const parts = Object.values(type.getFields())
    .filter((field) => field.args.every((argument) => !isNonNullType(argument.type)))
    .map((field) => ({ field, inner: innerOf(field, depth - 1) }))
    .filter(({ inner }) => inner !== undefined)
    .map(({ field, inner }) => `${prefix === "" ? "" : `${prefix}${field.name}: `}${field.name} ${inner ?? ""}`);
  return `{ __typename ${parts.join(" ")} }`;
}

function innerOf(field: GraphQLField<unknown, unknown>, depth: number): string | undefined {
  const type = getNamedType(field.type);
  if (!isObjectType(type) && !isUnionType(type)) return "";
  return depth <= 0 ? undefined : selectionOf(field, depth);
}
