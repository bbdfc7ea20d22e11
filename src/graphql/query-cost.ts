import { Kind, visit, type DocumentNode, type GraphQLField, type GraphQLSchema, type OperationDefinitionNode, type ValueNode } from "graphql";
import { getComplexity, type ComplexityEstimator } from "graphql-query-complexity";
import { queryTooComplex } from "../kernel/errors.js";
import { pageSizeDefault, pageSizeMax } from "../kernel/page.js";
import { queryLimits } from "./query-limits.js";

/** Root fields that do more than read a row, in reads: `ask` searches and calls a model, `search` embeds. */
const rootCosts: Readonly<Record<string, number>> = { ask: 100, answer: 100, search: 20, passage: 3, ingestDocument: 20, exportUsage: 100 };

/** Costs remembered for one document: a page size a caller varies on purpose must not grow memory. */
const costsPerDocumentMax = 16;

type Variables = Readonly<Record<string, unknown>>;

interface Priced {
  /** Reads the variables that the cost depends on; everything else of a document is fixed. */
  readonly read: readonly ((variables: Variables) => unknown)[];
  readonly costs: Map<string, number>;
}

/**
 * Prices operations before they run. Walking a document takes 60 to 80 µs; its price depends on
 * little besides the document, so it is remembered by document and by those few variables.
 */
export class QueryCosts {
  readonly #priced = new WeakMap<DocumentNode, Priced>();

  constructor(private readonly schema: GraphQLSchema) {}

  /** Throws `QUERY_TOO_COMPLEX`, or a GraphQL error for variables of the wrong type. */
  check(document: DocumentNode, operation: OperationDefinitionNode, variables: Variables): number {
    const cost = this.#costOf(document, operation, variables);
    if (cost > queryLimits.costMax) throw queryTooComplex(`a cost of ${cost}`, `at most ${queryLimits.costMax}`);
    return cost;
  }

  #costOf(document: DocumentNode, operation: OperationDefinitionNode, variables: Variables): number {
    const priced = this.#pricedOf(document);
    const operationName = operation.name?.value;
    const key = priced.read.length === 0 ? (operationName ?? "") : JSON.stringify([operationName, ...priced.read.map((read) => read(variables))]);
    const known = priced.costs.get(key);
    if (known !== undefined) return known;
    const cost = getComplexity({ schema: this.schema, query: document, variables: { ...variables }, estimators: [estimate], ...(operationName === undefined ? {} : { operationName }) });
    if (priced.costs.size >= costsPerDocumentMax) priced.costs.clear();
    priced.costs.set(key, cost);
    return cost;
  }

  #pricedOf(document: DocumentNode): Priced {
    const known = this.#priced.get(document);
    if (known !== undefined) return known;
    const priced: Priced = { read: costVariables(document), costs: new Map() };
    this.#priced.set(document, priced);
    return priced;
  }
}

const estimate: ComplexityEstimator = ({ type, field, args, childComplexity }) => {
  const isRoot = type.name === "Query" || type.name === "Mutation" || type.name === "Subscription";
  return ((isRoot ? rootCosts[field.name] : undefined) ?? 1) + childComplexity * pageSize(field, args);
};

/** A list costs its children as often as it may return them, whether or not there are so many. */
function pageSize(field: GraphQLField<unknown, unknown>, args: Readonly<Record<string, unknown>>): number {
  if (field.args.some((arg) => arg.name === "first")) return clamp(args.first);
  return field.name === "search" ? clamp(firstOf(args.input)) : 1;
}

function clamp(first: unknown): number {
  return typeof first === "number" ? Math.min(pageSizeMax, Math.max(1, first)) : pageSizeDefault;
}

function firstOf(input: unknown): unknown {
  return typeof input === "object" && input !== null ? (input as { first?: unknown }).first : undefined;
}

function costVariables(document: DocumentNode): Priced["read"] {
  const reads = new Map<string, (variables: Variables) => unknown>();
  const note = (name: string, value: ValueNode): void => {
    if (value.kind !== Kind.VARIABLE) return;
    const variable = value.name.value;
    if (name === "first" || name === "if") reads.set(variable, (variables) => variables[variable]);
    if (name === "input") reads.set(`${variable}.first`, (variables) => firstOf(variables[variable]));
  };
  visit(document, {
    Argument: (node) => note(node.name.value, node.value),
    ObjectField: (node) => note(node.name.value, node.value),
  });
  return [...reads.values()];
}
