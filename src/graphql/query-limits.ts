import { GraphQLError, Kind, type ASTVisitor, type DocumentNode, type FieldNode, type NameNode, type OperationDefinitionNode, type SelectionSetNode, type ValidationContext } from "graphql";
import { queryTooComplex } from "../kernel/errors.js";

/** What one document may ask, whoever sends it. The longest operation in `schema/operations/` needs a tenth of each. */
export const queryLimits = Object.freeze({
  /**
   * Lexical tokens. Parsing stops there, so a document of any size costs at most this much to refuse.
   * graphql-js compares fields of one name with each other, each with each: 2,000 tokens of them held
   * the event loop, and every other tenant, for 200 to 450 ms; 1,000 for a tenth of that.
   */
  tokensMax: 1_000,
  depthMax: 12,
  /** Tools introspect with 15 levels of `ofType`. */
  introspectionDepthMax: 20,
  /** Aliased fields, `__typename` among them: alias probes use it because it is free elsewhere. */
  aliasesMax: 30,
  rootFieldsMax: 30,
  /** Characters of one name. Operations, aliases and fragments are named by the caller, and their names reach logs, spans and response paths. */
  nameCharsMax: 100,
  /** One response name in one selection: no client says it twice, and each saying is compared with the others. */
  repeatsMax: 30,
  /** Fields with fragments expanded; a fragment bomb doubles with every 12 tokens. */
  selectionsMax: 2_000,
  /** Two pages of 100 documents with every field cost 3,500. */
  costMax: 5_000,
});

interface Measure {
  readonly depth: number;
  readonly aliases: number;
  readonly selections: number;
  readonly repeats: number;
}

const nothing: Measure = Object.freeze({ depth: 0, aliases: 0, selections: 0, repeats: 0 });

/**
 * A validation rule, so that a document is measured once and its verdict cached with it. Fragments
 * are measured once each: expanding them would do the very work that a bomb wants done.
 */
export function structuralLimits(context: ValidationContext): ASTVisitor {
  return {
    OperationDefinition(operation) {
      const measure = measurer(context.getDocument());
      const { depth, aliases, selections, repeats } = measure(operation.selectionSet);
      const depthMax = isIntrospection(context.getDocument(), operation) ? queryLimits.introspectionDepthMax : queryLimits.depthMax;
      const rootFields = countRootFields(context.getDocument(), operation);
      report(context, operation, "levels of fields", depth, depthMax);
      report(context, operation, "aliases", aliases, queryLimits.aliasesMax);
      report(context, operation, "fields with fragments expanded", selections, queryLimits.selectionsMax);
      report(context, operation, "repetitions of one field", repeats, queryLimits.repeatsMax);
      report(context, operation, "root fields", rootFields, queryLimits.rootFieldsMax);
    },
    Name(name) {
      report(context, name, "characters in a name", name.value.length, queryLimits.nameCharsMax);
    },
  };
}

function report(context: ValidationContext, node: OperationDefinitionNode | NameNode, what: string, got: number, max: number): void {
  if (got <= max) return;
  const originalError = queryTooComplex(`${Math.min(got, Number.MAX_SAFE_INTEGER)} ${what}`, `at most ${max}`);
  context.reportError(new GraphQLError(originalError.message, { nodes: node, originalError }));
}

function measurer(document: DocumentNode): (set: SelectionSetNode) => Measure {
  const fragments = fragmentsOf(document);
  const known = new Map<string, Measure>();
  const ofFragment = (name: string): Measure => {
    const measured = known.get(name);
    if (measured !== undefined) return measured;
    known.set(name, nothing); // A cycle is another rule's error; here it must only end.
    const set = fragments.get(name);
    const measure = set === undefined ? nothing : ofSet(set);
    known.set(name, measure);
    return measure;
  };
  const ofSet = (set: SelectionSetNode): Measure => {
    let depth = 0;
    let aliases = 0;
    let selections = 0;
    let repeats = 0;
    const said = new Map<string, number>();
    for (const selection of set.selections) {
      const isField = selection.kind === Kind.FIELD;
      const inner = selection.kind === Kind.FRAGMENT_SPREAD ? ofFragment(selection.name.value) : selection.selectionSet ? ofSet(selection.selectionSet) : nothing;
      depth = Math.max(depth, inner.depth + (isField ? 1 : 0));
      aliases += inner.aliases + (isField && selection.alias ? 1 : 0);
      selections += inner.selections + (isField ? 1 : 0);
      const times = isField ? (said.get(responseName(selection)) ?? 0) + 1 : 0;
      if (isField) said.set(responseName(selection), times);
      repeats = Math.max(repeats, inner.repeats, times);
    }
    return { depth, aliases, selections, repeats };
  };
  return ofSet;
}

function responseName({ alias, name }: FieldNode): string {
  return alias?.value ?? name.value;
}

/**
 * How many root fields an operation runs: what it is charged as requests. Equal response names are
 * merged by execution and run once; each alias runs on its own. `__typename` alone is still one request.
 */
export function countRootFields(document: DocumentNode, operation: OperationDefinitionNode): number {
  return Math.max(1, rootFieldNames(document, operation).size);
}

/** Whether every root field is one of introspection's own. */
export function isIntrospection(document: DocumentNode, operation: OperationDefinitionNode): boolean {
  return operation.operation === "query" && [...rootFieldNames(document, operation, true).values()].every((name) => name.startsWith("__"));
}

/** Response name to field name. */
function rootFieldNames(document: DocumentNode, operation: OperationDefinitionNode, withTypename = false): Map<string, string> {
  const fragments = fragmentsOf(document);
  const visited = new Set<string>();
  const names = new Map<string, string>();
  const collect = (set: SelectionSetNode): void => {
    for (const selection of set.selections) {
      if (selection.kind === Kind.FIELD) {
        if (withTypename || selection.name.value !== "__typename") names.set(selection.alias?.value ?? selection.name.value, selection.name.value);
      } else if (selection.kind === Kind.INLINE_FRAGMENT) {
        collect(selection.selectionSet);
      } else if (!visited.has(selection.name.value)) {
        visited.add(selection.name.value);
        const fragment = fragments.get(selection.name.value);
        if (fragment !== undefined) collect(fragment);
      }
    }
  };
  collect(operation.selectionSet);
  return names;
}

function fragmentsOf(document: DocumentNode): Map<string, SelectionSetNode> {
  return new Map(document.definitions.flatMap((node) => (node.kind === Kind.FRAGMENT_DEFINITION ? [[node.name.value, node.selectionSet] as const] : [])));
}
