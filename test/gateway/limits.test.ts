import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { codeOf, startHarness, type Harness } from "./harness.js";

let harness: Harness;
let token: string;
beforeAll(async () => {
  harness = await startHarness();
  token = await harness.admin();
});
afterAll(() => harness.gateway.drain());
afterEach(() => {
  harness.services.asked.length = 0;
  harness.admission.prices.length = 0;
});

async function refused(query: string): Promise<[number, unknown]> {
  const answer = await harness.query(query, { token });
  expect(answer.data).toBeUndefined();
  expect(harness.services.asked).toEqual([]);
  expect(harness.admission.prices).toEqual([]);
  return [answer.status, codeOf(answer)];
}

const tooComplex = [400, "QUERY_TOO_COMPLEX"];
const times = (count: number, text: (at: number) => string): string => Array.from({ length: count }, (_unused, at) => text(at)).join("\n");

describe("refused before anything runs or is charged", () => {
  test("an unknown field, without a hint at known ones", async () => {
    const answer = await harness.query("{ viewer { users } }", { token });
    expect([answer.status, codeOf(answer)]).toEqual([400, "BAD_USER_INPUT"]);
    expect(answer.text).not.toMatch(/did you mean/i);
  });

  test("101 aliases", async () => {
    expect(await refused(`mutation { ${times(101, (at) => `a${at}: ask(input: { question: "q" }) { __typename }`)} }`)).toEqual(tooComplex);
  });

  test("31 aliases of __typename, which costs nothing elsewhere", async () => {
    expect(await refused(`{ viewer { ${times(31, (at) => `t${at}: __typename`)} } }`)).toEqual(tooComplex);
    expect((await harness.query(`{ viewer { ${times(30, (at) => `t${at}: __typename`)} } }`, { token })).status).toBe(200);
  });

  test.each([
    ["an operation", (name: string) => `query ${name} { viewer { user } }`],
    ["an alias", (name: string) => `{ ${name}: viewer { user } }`],
    ["a fragment", (name: string) => `{ viewer { ...${name} } } fragment ${name} on Viewer { user }`],
    ["a variable", (name: string) => `query ($${name}: Boolean = true) { viewer { user @include(if: $${name}) } }`],
  ])("%s whose name has 101 characters, or most of a megabyte; 100 are served", async (_what, named) => {
    const names = [101, 450_000].map((characters) => named("n".repeat(characters)));
    for (const query of names) expect(await refused(query)).toEqual(tooComplex);
    expect((await harness.query(named("n".repeat(100)), { token })).status).toBe(200);
  });

  test("depth 50, and 13, and 13 through fragments; 12 is served", async () => {
    const chain = ["conversations", "nodes", ...Array.from({ length: 20 }, () => ["messages", "nodes", "conversation"]).flat()];
    const deep = (levels: number): string => `{ ${chain.slice(0, levels - 1).map((field) => (field === "conversations" || field === "messages" ? `${field}(first: 1)` : field)).join(" { ")} { __typename ${"}".repeat(levels)}`;
    expect(await refused(deep(50))).toEqual(tooComplex);
    expect(await refused(deep(13))).toEqual(tooComplex);
    expect(await refused("{ conversations { nodes { ...a } } } fragment a on Conversation { messages { nodes { conversation { ...b } } } } fragment b on Conversation { messages { nodes { conversation { messages { nodes { conversation { messages { nodes { id } } } } } } } } }")).toEqual(tooComplex);
    expect((await harness.query(deep(12), { token })).text).toBe('{"data":{"conversations":{"nodes":[]}}}\n');
  });

  test("a fragment bomb, in less time than it would take to unfold it", async () => {
    const bomb = `{ ...f0 } ${times(30, (at) => `fragment f${at} on Query { ${at === 29 ? "viewer { user }" : `viewer { user } ...f${at + 1} ...f${at + 1}`} }`)}`;
    const startedAt = performance.now();
    expect(await refused(bomb)).toEqual(tooComplex);
    expect(performance.now() - startedAt).toBeLessThan(2_000);
  });

  test("fragments in a circle", async () => {
    expect(await refused("{ ...a } fragment a on Query { ...b } fragment b on Query { ...a }")).toEqual([400, "BAD_USER_INPUT"]);
  });

  test("more than 1,000 tokens", async () => {
    expect(await refused(`{ viewer { ${"user ".repeat(1_000)} } }`)).toEqual(tooComplex);
  });

  test("fields repeated so often that comparing them with each other would hold up every tenant", async () => {
    expect(await refused(`{ ${"documents { nodes { id } }".repeat(280)} }`)).toEqual(tooComplex);
  });

  test("pages within pages whose product is too dear, by literal and by variable", async () => {
    const list = "conversations(first: 100) { nodes { id messages(first: 100) { nodes { question answer } } } }";
    expect(await refused(`{ ${list} }`)).toEqual(tooComplex);
    const byVariable = "query ($n: Int) { conversations(first: $n) { nodes { id messages(first: $n) { nodes { question answer } } } } }";
    expect((await harness.query(byVariable, { token, variables: { n: 5 } })).status).toBe(200);
    const dear = await harness.query(byVariable, { token, variables: { n: 100 } });
    expect([dear.status, codeOf(dear)]).toEqual(tooComplex);
    // The cheap price of the same document must not have been remembered for every page size.
    expect((await harness.query(byVariable, { token, variables: { n: 5 } })).status).toBe(200);
  });

  test("a 1 MB query, as 413 when the body passes the bound", async () => {
    const under = await harness.query("", { token, body: JSON.stringify({ query: `{ viewer { ${"user ".repeat(200_000)} } }` }) });
    expect([under.status, codeOf(under)]).toEqual(tooComplex);
    const over = await harness.query("", { token, body: JSON.stringify({ query: `{ viewer { user } } #${"x".repeat(1_048_576)}` }) });
    expect([over.status, codeOf(over)]).toEqual([413, "BAD_USER_INPUT"]);
  });

  test.each([
    ["no JSON", "{"], ["a list", "[]"], ["a batch", '[{"query":"{ viewer { user } }"}]'], ["no query", "{}"], ["null", "null"],
    ["a query that is a number", '{"query":1}'], ["variables that are a list", '{"query":"{ viewer { user } }","variables":[]}'],
    ["an unknown operation", '{"query":"query a { viewer { user } }","operationName":"b"}'],
  ])("a body that is %s", async (_name, body) => {
    const answer = await harness.query("", { token, body });
    expect([answer.status, codeOf(answer)]).toEqual([400, "BAD_USER_INPUT"]);
    expect(answer.text).not.toContain("stack");
  });

  test("a body that is not UTF-8", async () => {
    const response = await fetch(`${harness.url}/graphql`, { method: "POST", headers: { "content-type": "application/json", authorization: `Bearer ${token}` }, body: Buffer.from([0x7b, 0xff, 0xfe, 0x7d]) });
    expect([response.status, ((await response.json()) as { errors: { extensions: { code: string } }[] }).errors[0]?.extensions.code]).toEqual([400, "BAD_USER_INPUT"]);
  });

  test("variables of the wrong type, without their text coming back whole", async () => {
    const answer = await harness.query("mutation ($i: AskInput!) { ask(input: $i) { __typename } }", { token, variables: { i: { question: { $ne: "x".repeat(5_000) } } } });
    expect([answer.status, codeOf(answer)]).toEqual([400, "BAD_USER_INPUT"]);
    expect(answer.text.length).toBeLessThan(1_000);
  });

  test("a subscription over plain HTTP", async () => {
    expect(await refused('subscription { ingestion(documentId: "doc_x") { document { id } } }')).toEqual([400, "BAD_USER_INPUT"]);
  });
});

const page = async (after?: string): Promise<{ edges: { cursor: string; node: { title: string } }[]; pageInfo: { hasNextPage: boolean; endCursor: string; hasPreviousPage: boolean } }> => {
  const answer = await harness.query("query ($after: String) { documents(first: 2, after: $after) { edges { cursor node { title } } pageInfo { hasNextPage endCursor hasPreviousPage } } }", { token, variables: { after } });
  return answer.data?.documents as never;
};

describe("pages", () => {
  test.each([[0], [-1], [101]])("first: %i is refused", async (first) => {
    const answer = await harness.query(`{ documents(first: ${first}) { nodes { id } } }`, { token });
    expect([answer.status, codeOf(answer), answer.data]).toEqual([200, "BAD_USER_INPUT", { documents: null }]);
  });

  test("follow one another by cursor", async () => {
    for (let i = 0; i < 3; i += 1) harness.services.addDocument("acme", `Document ${i}`);
    const first = await page();
    expect(first).toMatchObject({ edges: [{ node: { title: "Document 0" } }, { node: { title: "Document 1" } }], pageInfo: { hasNextPage: true, hasPreviousPage: false } });
    expect(await page(first.pageInfo.endCursor)).toMatchObject({ edges: [{ node: { title: "Document 2" } }], pageInfo: { hasNextPage: false, hasPreviousPage: true } });
  });
});

describe("requests are priced by root field", () => {
  test("15 aliased asks are 15, through fragments as well", async () => {
    await harness.query(`mutation { ${times(15, (at) => `a${at}: ask(input: { question: "q" }) { __typename }`)} }`, { token });
    await harness.query(`mutation { ...f ...g } fragment f on Mutation { ${times(7, (at) => `a${at}: ask(input: { question: "q" }) { __typename }`)} } fragment g on Mutation { ...f ... on Mutation { b: ask(input: { question: "q" }) { __typename } } }`, { token });
    await harness.query("{ __typename }", { token });
    expect(harness.admission.prices).toEqual([15, 8, 1]);
    expect(harness.services.asked).toHaveLength(23);
    expect(harness.services.asked[0]).toEqual({ tenantId: "acme", question: "q", path: "a0" });
  });

  test("a document that does not fit runs not at all, and says when to come again", async () => {
    const small = await startHarness();
    small.admission.limit = 3;
    const bearer = await small.member();
    const ok = await small.query('mutation { a: ask(input: { question: "q" }) { __typename } b: ask(input: { question: "q" }) { __typename } }', { token: bearer });
    expect([ok.status, ok.headers.get("ratelimit-limit"), ok.headers.get("ratelimit-remaining")]).toEqual([200, "3", "1"]);
    const refusedAnswer = await small.query('mutation { a: ask(input: { question: "q" }) { __typename } b: ask(input: { question: "q" }) { __typename } }', { token: bearer });
    expect([ok.headers.get("ratelimit-policy"), ok.headers.get("ratelimit")]).toEqual(['"requests";q=3;w=60', '"requests";r=1;t=30']);
    expect([refusedAnswer.status, refusedAnswer.headers.get("retry-after"), refusedAnswer.headers.get("ratelimit")]).toEqual([429, "3", '"requests";r=0;t=3']);
    expect(refusedAnswer.errors[0]?.extensions).toEqual({ code: "RATE_LIMITED", retryAfterMs: 2_500, limit: "requestsPerMinute" });
    expect(small.services.asked).toHaveLength(2);
    await small.gateway.drain();
  });

  test("an operator has no tenant to charge", async () => {
    expect((await harness.query("{ tenants { nodes { id } } }", { token: await harness.operator() })).errors).toEqual([]);
    expect(harness.admission.prices).toEqual([]);
  });
});
