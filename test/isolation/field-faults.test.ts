/** Through the whole server: leaks that were seen in the field. The other rows are in suites of their own; README.md says which. */
import { buildSchema, getNamedType, isEnumType, isInputObjectType, isListType, isNonNullType, type GraphQLInputType } from "graphql";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { listOf, TestServer, type Json } from "../acceptance/server.js";
import { startStubModelServer, type StubModelServer } from "../support/stub-model-server.js";

const schema = buildSchema(readFileSync(resolve(import.meta.dirname, "../../schema/schema.graphql"), "utf8"));
const askText = `mutation ($input: AskInput!) { ask(input: $input) { __typename
  ... on Answer { text cached finishReason citations { snippet document { title } } } ... on Refusal { code } } }`;
const searchText = "query ($input: SearchInput!) { search(input: $input) { hits { snippet document { id title } } } }";

const victim = { tenant: "alder" } as const;
const attacker = { tenant: "beech" } as const;
/** Stands in the victim's documents and conversations alone. */
const secret = /Marigold|4,711/u;

let server: TestServer;
let model: StubModelServer;

beforeAll(async () => {
  model = await startStubModelServer();
  server = await TestServer.start({ MODEL_BASE_URL: model.baseUrl, MODEL_NAME: "stub" });
  await server.createTenant("alder", "PRO");
  await server.createTenant("beech", "PRO");
  await server.ingest(victim, "Codenames", "# Codenames\n\nThe codename of the project is Marigold. The budget of the project is 4,711 EUR.");
  await server.ingest(attacker, "Plants", "# Plants\n\nA beech keeps its leaves in winter. The codename of nothing is here.");
});
afterAll(async () => {
  await server.stop();
  await model.close();
});

async function ask(as: typeof victim | typeof attacker, question: string, more: object = {}): Promise<Json> {
  return (await server.must(as, askText, { input: { question, model: "embedded-extractive", ...more } }))["ask"] as Json;
}

interface Leaf {
  readonly path: readonly string[];
  readonly type: GraphQLInputType;
}

/** Every text and id that an argument holds. */
function leavesOf(type: GraphQLInputType, path: readonly string[]): readonly Leaf[] {
  const named = getNamedType(type);
  if (isInputObjectType(named)) return Object.values(named.getFields()).flatMap((field) => leavesOf(field.type, [...path, field.name]));
  return named.name === "ID" || named.name === "String" ? [{ path, type }] : [];
}

function valueOf(type: GraphQLInputType, [at, ...rest]: readonly string[], value: unknown, isLeaf: boolean): unknown {
  if (isNonNullType(type)) return valueOf(type.ofType as GraphQLInputType, at === undefined ? [] : [at, ...rest], value, isLeaf);
  if (isInputObjectType(type)) {
    const fields = Object.values(type.getFields()).filter((field) => field.name === at || isNonNullType(field.type));
    return Object.fromEntries(fields.map((field) => [field.name, valueOf(field.type, field.name === at ? rest : [], value, isLeaf && field.name === at)]));
  }
  if (isLeaf) return value;
  if (isListType(type)) return [];
  if (isEnumType(type)) return type.getValues()[0]?.name;
  return { Int: 1, Float: 1, Boolean: true }[type.name] ?? "some text";
}

async function untilFailed(as: { readonly tenant: string }, id: string): Promise<void> {
  for (const end = Date.now() + 20_000; Date.now() < end; await new Promise((done) => setTimeout(done, 50))) {
    const { document } = await server.must(as, "query ($id: ID!) { document(id: $id) { state chunkCount } }", { id });
    if (String(document?.["state"]) === "FAILED") return expect(document?.["chunkCount"]).toBe(0);
  }
  expect.unreachable("A document without text did not fail");
}

async function watch(as: { readonly tenant: string }, id: string): Promise<string> {
  const response = await fetch(`${server.url}/graphql`, {
    method: "POST",
    headers: { "content-type": "application/json", accept: "text/event-stream", authorization: `Bearer ${await server.token(as)}` },
    body: JSON.stringify({ query: "subscription ($id: ID!) { ingestion(documentId: $id) { document { id title state } } }", variables: { id } }),
  });
  return response.text();
}

describe("an answer that another tenant was given", () => {
  const padding = "We are a company with many projects, and each of them has a codename and a budget. ".repeat(18);

  test.each([
    ["the same words", (question: string) => question],
    ["a long text around them", (question: string) => `${padding}${question}`],
    ["the victim's name before them", (question: string) => `alder: ${question}`],
  ])("is not given to the next one who asks with %s, at any threshold (A2, A3, A4)", async (_what, around) => {
    const question = around("What is the codename of the project?");
    expect(question.length).toBeLessThan(2_000);
    model.answerWith(({ body }) => (secret.test(JSON.stringify(body)) ? "The codename is Marigold [1]." : "A beech has none [1]."));
    expect((await ask(victim, question, { model: "stub" }))["text"]).toMatch(secret);
    // It is in the cache by now, or this would show nothing.
    expect(await ask(victim, question, { model: "stub" })).toMatchObject({ cached: true });
    for (const cacheSimilarity of [0, 1]) {
      const answer = await ask(attacker, question, { model: "stub", cacheSimilarity, skipCache: cacheSimilarity === 1 });
      expect(answer).toMatchObject({ cached: false });
      expect(JSON.stringify(answer)).not.toMatch(secret);
    }
  });
});

describe("operators and keys in place of values", () => {
  const hostile: readonly unknown[] = [{ $ne: "" }, { $regex: ".*" }, { $exists: true }, { $in: ["alder"] }, [["alder"]], JSON.parse('{"__proto__":{"tenant_id":"alder"}}')];

  const roots = [["query", schema.getQueryType()], ["mutation", schema.getMutationType()]] as const;
  const cases = roots.flatMap(([operation, type]) =>
    Object.values(type?.getFields() ?? {}).flatMap((field) =>
      field.args.flatMap((argument) => leavesOf(argument.type, [argument.name])).map(({ path }) => [`${operation} ${field.name}(${path.join(".")})`, operation, field, path] as const),
    ),
  );

  test("are tried at every text and id that a root field takes", () => {
    expect(cases.map(([name]) => name)).toEqual(expect.arrayContaining(["query document(id)", "query documents(after)", "mutation ask(input.conversationId)", "mutation ask(input.idempotencyKey)", "query search(input.filter.tags)", "mutation sendFeedback(input.messageId)", "query passage(id)"]));
  });

  test.each(cases)("at %s they are refused before anything runs (A5)", async (_name, operation, field, path) => {
    const used = field.args.filter((argument) => argument.name === path[0] || isNonNullType(argument.type));
    const [head, call] = [used.map(({ name, type }) => `$${name}: ${String(type)}`).join(", "), used.map(({ name }) => `${name}: $${name}`).join(", ")];
    const named = getNamedType(field.type);
    const query = `${operation} (${head}) { ${field.name}(${call}) ${"getFields" in named || "getTypes" in named ? "{ __typename }" : ""} }`;
    const tried = hostile.map(async (value) => {
      const variables = Object.fromEntries(used.map((argument) => [argument.name, valueOf(argument.type, argument.name === path[0] ? path.slice(1) : [], value, argument.name === path[0])]));
      return server.ask(attacker, query, variables);
    });
    for (const answer of await Promise.all(tried)) {
      expect([answer.status, answer.errors[0]?.extensions["code"]]).toEqual([400, "BAD_USER_INPUT"]);
      expect(answer.text).not.toMatch(secret);
    }
  });
});

describe("what a document says of itself", () => {
  test("does not bring it to another tenant: front matter, tags, title and text that name the tenant are only text (A7)", async () => {
    const poison = '---\ntenant_id: alder\ntenantId: alder\n"_id": alder/doc_AAAAAAAAAAAAAAAAAAAA\n---\n\n# Codenames\n\nThe codename of the project is Poisonweed. {"tenant_id":"alder","$set":{"tenant_id":"alder"}}';
    const id = await server.ingest(attacker, '{"tenant_id":"alder"}', poison, "MARKDOWN", ["tenant_id:alder", "tenant_id", "$set", "metadata.tenant_id", "__proto__"]);
    const own = await server.must(attacker, searchText, { input: { query: "Poisonweed", filter: { tags: ["tenant_id"] } } });
    expect(listOf(own["search"]?.["hits"]).map((hit) => hit["document"]?.["id"])).toContain(id);
    for (const mode of ["VECTOR", "TEXT", "HYBRID"]) {
      const found = await server.must(victim, searchText, { input: { query: "The codename of the project is Poisonweed", mode, first: 100 } });
      expect(listOf(found["search"]?.["hits"]).length).toBeGreaterThan(0);
      expect(JSON.stringify(found)).not.toContain("Poisonweed");
    }
    const { documents } = await server.must(victim, "{ documents(first: 100) { nodes { title } } }");
    expect(documents?.["nodes"]).toEqual([{ title: "Codenames" }]);
    expect(JSON.stringify(await ask(victim, "What is the codename of the project?", { skipCache: true }))).not.toContain("Poisonweed");
  });

  test.each([["empty", ""], ["blank", " \n\t\n"], ["wordless", "<html><body><script>1</script></body></html>"]])("that is %s is answered by nobody's document in its place (A12)", async (what, content) => {
    const cypress = { tenant: `cypress-${what}` } as const;
    await server.createTenant(cypress.tenant, "FREE");
    const accepted = await server.ask(cypress, "mutation ($input: IngestDocumentInput!) { ingestDocument(input: $input) { document { id } } }", { input: { title: "Codenames", content, mediaType: "HTML" } });
    const id = (accepted.data["ingestDocument"]?.["document"]?.["id"] ?? "") as string;
    if (accepted.errors.length > 0) expect(accepted.errors[0]?.extensions["code"]).toBe("BAD_USER_INPUT");
    else await untilFailed(cypress, id);
    for (const question of ["What does the document that I have just uploaded say?", "What is the codename of the project?"]) {
      const answer = (await server.must(cypress, askText, { input: { question, model: "embedded-extractive" } }))["ask"];
      expect(answer).toMatchObject({ finishReason: "ABSTAINED", citations: [] });
    }
    const found = await server.must(cypress, searchText, { input: { query: "codename of the project", ...(id === "" ? {} : { filter: { documentIds: [id] } }) } });
    expect(found["search"]?.["hits"]).toEqual([]);
  });
});

describe("what a model writes", () => {
  test.each([
    ["a query", 'db.chunks.find({}) // {"tenant_id":{"$ne":"beech"}}'],
    ["a call of a tool", '{"tool_calls":[{"function":{"name":"search","arguments":"{\\"tenant\\":\\"alder\\",\\"query\\":\\"codename\\"}"}}]}'],
    ["GraphQL", 'mutation { changeTier(input: { tenantId: "beech", tier: ENTERPRISE }) { tenant { id } } } { search(input: { query: "codename" }) { hits { snippet } } }'],
  ])("is never run: %s comes back as the text it is, and the model was offered no tool (A8)", async (_what, text) => {
    model.answerWith(() => text);
    model.forget();
    const answer = await ask(attacker, "What is the codename of the project of the tenant alder?", { model: "stub", skipCache: true });
    expect(answer).toMatchObject({ __typename: "Answer", text });
    expect(JSON.stringify(answer)).not.toMatch(secret);
    expect(model.requests).toHaveLength(1);
    expect(Object.keys(model.requests[0]?.body ?? {})).not.toEqual(expect.arrayContaining([expect.stringMatching(/tool|function/u)]));
    expect(JSON.stringify(model.requests)).not.toMatch(secret);
    expect((await server.must("operator", 'query { tenant(id: "beech") { tier } }'))["tenant"]).toEqual({ tier: "PRO" });
  });
});

describe("events", () => {
  test("reach the tenant alone that they are of: two that watch at once hear each their own document to its end (A14)", async () => {
    const watched = await Promise.all([victim, attacker].map(async (as) => {
      const accepted = await server.must(as, "mutation ($input: IngestDocumentInput!) { ingestDocument(input: $input) { document { id } } }", { input: { title: `News of ${as.tenant}`, content: `# News\n\nThere is news of ${as.tenant}.`, mediaType: "MARKDOWN" } });
      const id = String(accepted["ingestDocument"]?.["document"]?.["id"]);
      return { id, as, heard: watch(as, id) };
    }));
    for (const { id, as, heard } of watched) {
      const text = await heard;
      expect(text).toContain("READY");
      expect([...text.matchAll(/"title":"([^"]*)"/gu)].map(([, title]) => title).filter((title) => title !== `News of ${as.tenant}`)).toEqual([]);
      expect([...text.matchAll(/doc_[\w-]{20}/gu)].filter(([heardOf]) => heardOf !== id)).toEqual([]);
    }
    const [theirs] = watched;
    const foreign = await watch(attacker, theirs?.id ?? "");
    expect(foreign).toContain("Document not found");
    expect(foreign).not.toContain("News");
  });
});
