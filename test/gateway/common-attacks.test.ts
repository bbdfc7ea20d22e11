/** What scanners of GraphQL servers try (the checks of graphql-cop, in our own words), by a stranger and by a tenant's own member. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startHarness, type Harness } from "./harness.js";

let harness: Harness;
let member: Record<string, string> = {};
beforeAll(async () => {
  harness = await startHarness({ production: true });
  member = { authorization: `Bearer ${await harness.member()}` };
});
afterAll(() => harness.gateway.drain());

interface Heard {
  readonly status: number;
  readonly text: string;
  readonly data: Record<string, unknown> | undefined;
  readonly errors: number;
}

async function send(path: string, init: RequestInit, headers: Record<string, string>): Promise<Heard> {
  const response = await fetch(`${harness.url}${path}`, { ...init, headers: { ...(init.headers as Record<string, string> | undefined), ...headers } });
  const text = await response.text();
  const body = (text.startsWith("{") || text.startsWith("[") ? JSON.parse(text) : {}) as { data?: Record<string, unknown> | null; errors?: unknown[] };
  return { status: response.status, text, data: body.data ?? undefined, errors: body.errors?.length ?? 0 };
}

const post = (query: unknown, headers: Record<string, string>): Promise<Heard> => send("/graphql", { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(Array.isArray(query) ? query : { query }) }, headers);
const repeated = (count: number, text: (at: number) => string): string => Array.from({ length: count }, (_unused, at) => text(at)).join(" ");

describe.each([["a stranger", () => ({})], ["a member of a tenant", () => member]] as [string, () => Record<string, string>][])("to %s", (_who, headersOf) => {
  const asked = (query: unknown): Promise<Heard> => post(query, headersOf());

  test("101 aliases of a free field run none of them", async () => {
    expect((await asked(`query { ${repeated(101, (at) => `alias${at}: __typename`)} }`)).data).toBeUndefined();
  });

  test("a batch of operations is no way to send many at the price of one", async () => {
    const { status, text } = await asked(Array.from({ length: 12 }, () => ({ query: "query { __typename }" })));
    expect([status >= 400, text.startsWith("[")]).toEqual([true, false]);
  });

  test("ten unknown directives are not answered one by one", async () => {
    expect((await asked("query { __typename @aa@aa@aa@aa@aa@aa@aa@aa@aa@aa }")).errors).toBeLessThan(10);
  });

  test("a known directive repeated without end is not worked through", async () => {
    const { status, errors } = await asked(`query { __typename ${"@skip(if: false) ".repeat(200)} }`);
    expect([status >= 400, errors < 10]).toEqual([true, true]);
  });

  test("one field 500 times over is refused", async () => {
    expect((await asked(`query { ${"__typename ".repeat(500)} }`)).data).toBeUndefined();
  });

  test("types within fields within types of the schema are not unfolded", async () => {
    expect((await asked("query { __schema { types { fields { type { fields { type { fields { type { fields { type { name } } } } } } } } } } }")).data).toBeUndefined();
  });

  test("fragments that spread each other end at once", async () => {
    expect((await asked("query { ...a } fragment a on Query { ...b } fragment b on Query { ...a }")).data).toBeUndefined();
  });

  test("a slip of the pen brings no suggestion of a name", async () => {
    for (const query of ["query { __schema { directive } }", "{ viewr { user } }", "mutation { asks }"]) expect((await asked(query)).text).not.toMatch(/did you mean/i);
  });

  test("a mutation by GET is not run, and neither is a query that a link could hold", async () => {
    for (const query of ["mutation { __typename }", "query { __typename }"]) {
      const { status, data } = await send(`/graphql?query=${encodeURIComponent(query)}`, {}, headersOf());
      expect([status >= 400, data]).toEqual([true, undefined]);
    }
  });

  test("a form of another site is not taken for a request", async () => {
    const form = { method: "POST", headers: { "content-type": "application/x-www-form-urlencoded" }, body: new URLSearchParams({ query: "query { __typename }" }).toString() };
    const { status, data } = await send("/graphql", form, headersOf());
    expect([status >= 400, data]).toEqual([true, undefined]);
  });

  test("no page is an explorer with the schema in it", async () => {
    for (const path of ["/graphiql", "/playground", "/console", "/graphql"]) expect((await send(path, {}, { ...headersOf(), accept: "text/html" })).text).not.toMatch(/graphiql|graphql[ -]playground/i);
  });

  test("no answer carries a trace or a stack", async () => {
    for (const query of ["query { __typename }", "qwerty cop { abc }", "{ document(id: \"x\") { id } }"]) expect((await asked(query)).text).not.toMatch(/tracing|stacktrace|exception|node_modules| at .*\.[jt]s/i);
  });

  test("50 levels, a document of a megabyte and a bomb of fragments run nothing", async () => {
    expect((await asked(`{ ${"conversations { nodes { messages { nodes { conversation { ".repeat(10)} __typename ${"}".repeat(51)}`)).data).toBeUndefined();
    const large = await asked(`{ viewer { ${"user ".repeat(209_000)} } }`);
    expect([large.data, large.status >= 400]).toEqual([undefined, true]);
    expect((await asked(`{ ...f0 } ${repeated(30, (at) => `fragment f${at} on Query { ${at === 29 ? "viewer { user }" : `...f${at + 1} ...f${at + 1}`} }`)}`)).data).toBeUndefined();
  });
});

test("a stranger learns nothing of the schema", async () => {
  expect((await post("query { __schema { types { name fields { name } } } }", {})).status).toBe(401);
});
