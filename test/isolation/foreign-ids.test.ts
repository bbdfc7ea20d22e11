import { buildSchema, isInputObjectType, isNonNullType, isListType, getNamedType, isScalarType, isEnumType, isUnionType, isObjectType, type GraphQLArgument, type GraphQLField, type GraphQLInputType, type GraphQLSchema } from "graphql";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { TestServer, type GraphqlAnswer } from "../acceptance/server.js";

/**
 * For every root field that takes an id, found in the schema so that a new one is covered the day it
 * appears: what another tenant's id gets must be, to the letter, what an id that never was gets.
 */
const schema: GraphQLSchema = buildSchema(readFileSync(resolve(import.meta.dirname, "../../schema/schema.graphql"), "utf8"));

interface IdArgument {
  readonly operation: "query" | "mutation";
  readonly field: string;
  /** Path inside the arguments, such as `input.documentId` or `input.filter.documentIds`. */
  readonly path: readonly string[];
}

function idPaths(type: GraphQLInputType, path: readonly string[]): (readonly string[])[] {
  const named = getNamedType(type);
  if (isInputObjectType(named)) return Object.values(named.getFields()).flatMap((field) => idPaths(field.type, [...path, field.name]));
  return named.name === "ID" ? [path] : [];
}

function idArguments(): IdArgument[] {
  const roots = [["query", schema.getQueryType()], ["mutation", schema.getMutationType()]] as const;
  return roots.flatMap(([operation, type]) =>
    Object.values(type?.getFields() ?? {}).flatMap((field) => field.args.flatMap((argument) => idPaths(argument.type, [argument.name])).map((path) => ({ operation, field: field.name, path }))),
  );
}

/** A value of the type with the id in its place and the least that is required elsewhere. */
function valueOf(type: GraphQLInputType, path: readonly string[], id: string): unknown {
  if (isNonNullType(type)) return valueOf(type.ofType as GraphQLInputType, path, id);
  if (isListType(type)) return [valueOf(type.ofType as GraphQLInputType, path, id)];
  if (isInputObjectType(type)) {
    const fields = Object.values(type.getFields()).filter((field) => field.name === path[0] || isNonNullType(field.type));
    return Object.fromEntries(fields.map((field) => [field.name, valueOf(field.type, field.name === path[0] ? path.slice(1) : [], id)]));
  }
  if (isEnumType(type)) return type.getValues()[0]?.name;
  const name = isScalarType(type) ? type.name : "";
  if (name === "ID") return id;
  if (name === "Int") return 1;
  if (name === "Boolean") return true;
  return "some text";
}

/** Every scalar a type has, two levels deep, so that anything that leaks would be seen. */
function selection(field: GraphQLField<unknown, unknown>, depth = 3): string {
  const type = getNamedType(field.type);
  if (isUnionType(type)) return `{ __typename ${type.getTypes().map((member) => `... on ${member.name} ${fieldsOf(member, depth)}`).join(" ")} }`;
  return isObjectType(type) ? fieldsOf(type, depth) : "";
}

function fieldsOf(type: { getFields(): Record<string, GraphQLField<unknown, unknown>> }, depth: number): string {
  const parts = Object.values(type.getFields())
    .filter((field) => field.args.every((argument: GraphQLArgument) => !isNonNullType(argument.type)))
    .map((field) => ({ field, inner: selectionIfAny(field, depth - 1) }))
    .filter(({ inner }) => inner !== undefined)
    .map(({ field, inner }) => `${field.name} ${inner ?? ""}`);
  return `{ __typename ${parts.join(" ")} }`;
}

function selectionIfAny(field: GraphQLField<unknown, unknown>, depth: number): string | undefined {
  const type = getNamedType(field.type);
  if (!isObjectType(type) && !isUnionType(type)) return "";
  return depth <= 0 ? undefined : selection(field, depth);
}

function documentOf({ operation, field, path }: IdArgument, id: string): { query: string; variables: Record<string, unknown> } {
  const root = (operation === "query" ? schema.getQueryType() : schema.getMutationType())?.getFields()[field];
  if (root === undefined) throw new Error(`The schema has no ${field}`);
  const used = root.args.filter((argument) => argument.name === path[0] || isNonNullType(argument.type));
  const head = used.map((argument) => `$${argument.name}: ${String(argument.type)}`).join(", ");
  const call = used.map((argument) => `${argument.name}: $${argument.name}`).join(", ");
  return {
    query: `${operation} (${head}) { ${field}(${call}) ${selection(root)} }`,
    variables: Object.fromEntries(used.map((argument) => [argument.name, valueOf(argument.type, argument.name === path[0] ? path.slice(1) : [], id)])),
  };
}

/** What may differ between two identical answers: ids of the request itself, times and durations. */
function comparable(answer: GraphqlAnswer, id: string): string {
  const body = answer.text
    .replaceAll(id, "ID")
    .replaceAll(/"(requestId|id)":"(req|msg)_[^"]+"/g, '"$1":"…"')
    .replaceAll(/"(totalMs|ms)":[0-9.]+/g, '"$1":0')
    .replaceAll(/"retryAfterMs":[0-9]+/g, '"retryAfterMs":0');
  return `${answer.status} ${body}`;
}

describe("another tenant's id", () => {
  let server: TestServer;
  /** Objects of the victim by the prefix of their ids. */
  const victims: { kind: string; id: string; missing: string }[] = [];
  const victim = { tenant: "holly" } as const;
  const attacker = { tenant: "ivy" } as const;
  /** Of a third tenant: one tenant's requests of a minute would not do for all. */
  const member = { tenant: "fern", roles: ["member"] } as const;

  beforeAll(async () => {
    server = await TestServer.start();
    await server.createTenant("holly", "FREE");
    await server.createTenant("ivy", "PRO");
    await server.createTenant("fern", "PRO");
    const document = await server.ingest(victim, "Secret plan", "The codename of the secret plan is Mistletoe. Its budget is 4,711 EUR.");
    await server.ingest(attacker, "Own plan", "Our own plan has no codename and a budget of 12 EUR.");
    const started = await server.must(victim, 'mutation { startConversation(input: { title: "Mistletoe" }) { conversation { id } } }');
    const conversation = String(started["startConversation"]?.["conversation"]?.["id"]);
    await server.must(victim, "mutation ($input: AskInput!) { ask(input: $input) { __typename } }", { input: { question: "What is the codename of the secret plan?", conversationId: conversation } });
    const talk = await server.must(victim, "query ($id: ID!) { conversation(id: $id) { messages { nodes { id } } } }", { id: conversation });
    const message = String(talk["conversation"]?.["messages"]?.["nodes"]?.[0]?.["id"]);
    const weights = await fetch(`${server.url}/adapters?name=Mistletoe&baseModel=Mistletoe`, { method: "POST", headers: { authorization: `Bearer ${await server.token(victim)}` }, body: "weights" });
    const adapter = ((await weights.json()) as { data: { adapter: { id: string } } }).data.adapter.id;
    const found = await server.must(victim, 'query { search(input: { query: "codename of the secret plan" }) { hits { chunkId } } }');
    const move = await server.must("operator", 'mutation { changeTier(input: { tenantId: "holly", tier: ENTERPRISE }) { placementMove { id } } }');
    const moveId = String(move["changeTier"]?.["placementMove"]?.["id"]);
    await server.untilMoved(moveId);
    for (const [kind, id] of [["document", document], ["conversation", conversation], ["chunk", String(found["search"]?.["hits"]?.[0]?.["chunkId"])], ["placement move", moveId], ["message", message], ["adapter", adapter]] as const) {
      victims.push({ kind, id, missing: `${id.slice(0, 4)}${"A".repeat(20)}` });
    }
    victims.push({ kind: "tenant", id: "holly", missing: "nobody" });
  });
  afterAll(() => server.stop());

  test("is tried at every root field that takes an id", () => {
    expect(idArguments().map((argument) => `${argument.field} ${argument.path.join(".")}`)).toEqual(expect.arrayContaining(["document id", "conversation id", "ask input.conversationId", "deleteDocument input.documentId", "search input.filter.documentIds", "passage id", "tenant id", "sendFeedback input.messageId", "ask input.adapterId", "adapter id", "deleteAdapter input.adapterId"]));
  });

  test.each(idArguments().map((argument) => [`${argument.operation} ${argument.field}(${argument.path.join(".")})`, argument] as const))(
    "gets from %s exactly what a missing id gets, and leaks nothing",
    async (_name, argument) => {
      for (const { id, missing } of victims) {
        for (const as of [attacker, member] as const) {
          const [foreign, absent] = [documentOf(argument, id), documentOf(argument, missing)];
          const foreignAnswer = await server.ask(as, foreign.query, foreign.variables);
          const absentAnswer = await server.ask(as, absent.query, absent.variables);
          expect(comparable(foreignAnswer, id)).toBe(comparable(absentAnswer, missing));
          expect(foreignAnswer.text).not.toMatch(/Mistletoe|4,711|Secret plan/);
        }
      }
    },
  );

  test("and after all that the victim still has everything", async () => {
    const { documents, conversations, adapters } = await server.must(victim, "{ documents { nodes { title state } } conversations { nodes { title } } adapters { nodes { name } } }");
    expect(adapters?.["nodes"]).toEqual([{ name: "Mistletoe" }]);
    expect(documents?.["nodes"]).toEqual([{ title: "Secret plan", state: "READY" }]);
    expect(conversations?.["nodes"]).toEqual([{ title: "Mistletoe" }]);
  });

  test("no field of a tenant's schema takes a tenant id", () => {
    const operators = ["tenant", "tenants", "createTenant", "changeTier", "suspendTenant", "reactivateTenant", "erasure", "eraseTenant", "latencyAttribution", "rotateTenantKey", "rerateUsage"];
    const offenders = idArguments().filter(({ field, path }) => !operators.includes(field) && /tenant/i.test(path.join(".")));
    expect(offenders).toEqual([]);
  });

  test.each([
    ["an operator as an id", { id: { $ne: "" } }],
    ["a list as an id", { id: ["doc_AAAAAAAAAAAAAAAAAAAA", "x"] }],
    ["a number as an id", { id: 0 }],
  ])("%s is refused or missing, never a match", async (_name, variables) => {
    const answer = await server.ask(attacker, "query ($id: ID!) { document(id: $id) { id title } }", variables);
    expect(answer.errors[0]?.extensions["code"]).toMatch(/^(BAD_USER_INPUT|NOT_FOUND)$/);
  });

  test.each([
    [{ tenant_id: "holly" }], [{ $where: "1" }], [{ "tenant_id.$ne": "" }], [{ tags: { $exists: true } }], [{ tags: [{ $ne: "" }] }], [{ constructor: {} }], [{ titleContains: { $regex: ".*" } }],
  ])("a hostile filter %j is refused with BAD_USER_INPUT", async (filter) => {
    const answer = await server.ask(attacker, "query ($filter: DocumentFilter) { documents(filter: $filter) { nodes { id } } }", { filter });
    expect(answer.errors[0]?.extensions["code"]).toBe("BAD_USER_INPUT");
    expect(answer.text).not.toContain("Secret plan");
  });

  test("a regular expression in a title filter is only text", async () => {
    const answer = await server.must(attacker, 'query { documents(filter: { titleContains: ".*" }) { nodes { id } } }');
    expect(answer["documents"]?.["nodes"]).toEqual([]);
  });

  test("the victim's cursor gives the attacker the attacker's own list or an error, never the victim's", async () => {
    const page = await server.must(victim, "{ documents(first: 1) { pageInfo { endCursor } } }");
    const answer = await server.ask(attacker, "query ($after: String) { documents(after: $after) { nodes { title } } }", { after: page["documents"]?.["pageInfo"]?.["endCursor"] });
    expect(answer.text).not.toContain("Secret plan");
  });
});
