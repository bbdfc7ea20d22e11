import { once } from "node:events";
import { createClient, type Client } from "graphql-ws";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import { buildGuardedSchema } from "../../src/graphql/build-schema.js";
import { guardSubscriptions } from "../../src/graphql/guard-subscriptions.js";
import { fieldRules } from "../../src/graphql/permissions.js";
import { startHarness, type Harness } from "./harness.js";

let harness: Harness;
const clients: Client[] = [];
beforeEach(async () => {
  harness = await startHarness();
});
afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.dispose()));
  await harness.gateway.drain();
});

interface Event {
  readonly data?: unknown;
  readonly errors?: readonly { message: string; extensions?: Record<string, unknown> }[];
}

function client(connectionParams: Record<string, unknown>): Client {
  const made = createClient({ url: `${harness.url.replace("http", "ws")}/graphql`, webSocketImpl: WebSocket, connectionParams, retryAttempts: 0, lazy: true });
  clients.push(made);
  return made;
}

/** Everything a subscription says until it ends; the end's error, if it had one, is the last. */
async function listen(query: string, connectionParams: Record<string, unknown>, enough = Infinity): Promise<unknown[]> {
  const heard: unknown[] = [];
  try {
    for await (const event of client(connectionParams).iterate({ query })) {
      heard.push(event);
      if (heard.length >= enough) break;
    }
  } catch (error) {
    heard.push(error instanceof Error ? error.message : (error as { code?: number }).code === undefined ? error : { code: (error as { code: number }).code });
  }
  return heard;
}

async function* serverSentEvents(query: string, token: string | undefined, signal?: AbortSignal): AsyncGenerator<{ event: string; data: Event | null }> {
  const response = await fetch(`${harness.url}/graphql`, {
    method: "POST",
    headers: { "content-type": "application/json", accept: "text/event-stream", ...(token === undefined ? {} : { authorization: `Bearer ${token}` }) },
    body: JSON.stringify({ query }),
    ...(signal === undefined ? {} : { signal }),
  });
  if (response.headers.get("content-type")?.startsWith("text/event-stream") !== true) {
    yield { event: String(response.status), data: (await response.json()) as Event };
    return;
  }
  let text = "";
  for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
    text += new TextDecoder().decode(chunk);
    for (let end = text.indexOf("\n\n"); end !== -1; end = text.indexOf("\n\n")) {
      const block = text.slice(0, end);
      text = text.slice(end + 2);
      const event = /^event: (.*)$/m.exec(block)?.[1];
      const data = /^data: (.+)$/m.exec(block)?.[1];
      if (event !== undefined) yield { event, data: data === undefined ? null : (JSON.parse(data) as Event) };
    }
  }
}

async function all<T>(source: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of source) items.push(item);
  return items;
}

const attempt = async (origin: string | undefined): Promise<string> => {
  const socket = new WebSocket(`${harness.url.replace("http", "ws")}/graphql`, "graphql-transport-ws", origin === undefined ? {} : { origin });
  const outcome = await once(socket, "open").then(() => "open", (error: unknown) => String(error));
  socket.terminate();
  return outcome;
};

const ingestion = (id: string): string => `subscription { ingestion(documentId: "${id}") { document { title state } } }`;

describe("over WebSocket", () => {
  test("a member hears of their own document, with the token in connection_init in either form", async () => {
    const row = harness.services.addDocument("acme", "Handbook");
    const token = await harness.member();
    const event = { data: { ingestion: { document: { title: "Handbook", state: "READY" } } } };
    expect(await listen(ingestion(row.id), { authorization: `Bearer ${token}` }, 1)).toEqual([event]);
    expect(await listen(ingestion(row.id), { token }, 1)).toEqual([event]);
  });

  test.each([["no token", {}], ["a wrong token", { token: "a.b.c" }], ["a header that is no text", { authorization: 1 }]])("%s is closed as 4401 before anything runs", async (_name, parameters) => {
    const row = harness.services.addDocument("acme", "Handbook");
    expect(await listen(ingestion(row.id), parameters)).toEqual([{ code: 4401 }]);
    expect(harness.services.watched).toEqual([]);
  });

  test("an operator may not listen to a tenant, nor a tenant to a move, and neither source is opened", async () => {
    const row = harness.services.addDocument("acme", "Handbook");
    const { move } = await harness.services.tenants.changeTier("acme", "ENTERPRISE");
    expect(JSON.stringify(await listen(ingestion(row.id), { token: await harness.operator() }))).toContain("FORBIDDEN");
    const moveQuery = `subscription { placementMove(id: "${move?.id}") { placementMove { phase copied } } }`;
    expect(JSON.stringify(await listen(moveQuery, { token: await harness.admin() }))).toContain("FORBIDDEN");
    expect(harness.services.watched).toEqual([]);
    expect(await listen(moveQuery, { token: await harness.operator() })).toEqual([
      { data: { placementMove: { placementMove: { phase: "COPYING", copied: 10 } } } },
      { data: { placementMove: { placementMove: { phase: "DONE", copied: 20 } } } },
    ]);
  });

  test("a caller of the tenant without a role is refused before the source is opened, and not at its first event", async () => {
    const row = harness.services.addDocument("acme", "Handbook");
    expect(JSON.stringify(await listen(ingestion(row.id), { token: await harness.token({ roles: [] }) }))).toContain("FORBIDDEN");
    expect(harness.services.watched).toEqual([]);
  });

  test("another tenant's document is as missing as one that never was", async () => {
    const row = harness.services.addDocument("globex", "secret");
    const token = await harness.member();
    const [foreign, missing] = [await listen(ingestion(row.id), { token }), await listen(ingestion("doc_AAAAAAAAAAAAAAAAAAAA"), { token })];
    expect(JSON.stringify(foreign)).toContain("Document not found");
    expect(foreign).toEqual(missing);
  });

  test("the limits and prices of HTTP hold here as well", async () => {
    const token = await harness.member();
    const aliases = Array.from({ length: 101 }, (_unused, at) => `a${at}: __typename`).join(" ");
    expect(JSON.stringify(await listen(`{ ${aliases} }`, { token }))).toContain("QUERY_TOO_COMPLEX");
    expect(JSON.stringify(await listen(`{ viewer { ${"user ".repeat(3_000)} } }`, { token }))).toContain("QUERY_TOO_COMPLEX");
    expect(JSON.stringify(await listen(`query ${"n".repeat(101)} { viewer { user } }`, { token }))).toContain("QUERY_TOO_COMPLEX");
    const unknown = JSON.stringify(await listen("{ viewer { users } }", { token }));
    expect(unknown).toContain("BAD_USER_INPUT");
    expect(unknown).not.toMatch(/did you mean/i);
    expect(harness.admission.prices).toEqual([]);
    await listen("{ a: viewer { user } b: viewer { user } }", { token });
    expect(harness.admission.prices).toEqual([2]);
    harness.admission.limit = 2;
    expect(JSON.stringify(await listen("{ viewer { user } }", { token }))).toContain("RATE_LIMITED");
  });

  test("errors are masked as over HTTP", async () => {
    harness.services.answer = () => Promise.reject(new Error("mongodb://root:hunter2@db"));
    const heard = JSON.stringify(await listen('mutation { ask(input: { question: "q" }) { __typename } }', { token: await harness.member() }));
    expect(heard).toMatch(/INTERNAL.*requestId/);
    expect(heard).not.toContain("hunter2");
  });

  test("a page of another origin is not let in; ours, the listed and programs are", async () => {
    expect(await attempt("https://evil.example")).toContain("403");
    for (const origin of [undefined, harness.url, "https://app.example.com"]) expect(await attempt(origin)).toBe("open");
  });

  test("a stream ends when its token does, and then its socket", async () => {
    const row = harness.services.addDocument("acme", "Handbook");
    const heard = await listen(ingestion(row.id), { token: await harness.token({}, { expiresIn: 1 }) });
    expect(heard[0]).toMatchObject({ data: { ingestion: { document: { title: "Handbook" } } } });
    expect(heard[1]).toMatchObject({ errors: [{ message: "The token has expired", extensions: { code: "UNAUTHENTICATED" } }] });
    expect(harness.services.watched[0]?.aborted).toBe(true);
  });

  test("a stream ends within a second of its tenant's suspension", async () => {
    const row = harness.services.addDocument("acme", "Handbook");
    const heard = listen(ingestion(row.id), { token: await harness.member() });
    await expect.poll(() => harness.services.watched.length).toBe(1);
    const suspendedAt = performance.now();
    harness.services.suspend("acme");
    expect((await heard)[1]).toMatchObject({ errors: [{ extensions: { code: "TENANT_SUSPENDED" } }] });
    expect(performance.now() - suspendedAt).toBeLessThan(1_000);
  });

  test("one tenant cannot hold every stream: past its share it is told to come later, and others are served", async () => {
    const [mine, theirs] = [harness.services.addDocument("acme", "Handbook"), harness.services.addDocument("globex", "Secret")];
    const token = await harness.member();
    const refused: unknown[] = [];
    let first = 0;
    for (let socket = 0; socket < 5; socket += 1) {
      const flooder = client({ token });
      for (let at = 0; at < 45; at += 1) {
        flooder.subscribe<Event>(
          { query: ingestion(mine.id) },
          { next: (event) => ((event as Event).errors === undefined ? (first += 1) : refused.push(event)), error: (error) => refused.push(error), complete: () => undefined },
        );
      }
    }
    await expect.poll(() => first + refused.length, { timeout: 10_000 }).toBe(225);
    expect([first, refused.length]).toEqual([200, 25]);
    expect(refused[0]).toMatchObject({ errors: [{ extensions: { code: "RATE_LIMITED", limit: "openStreams" } }] });
    expect((await listen(ingestion(theirs.id), { token: await harness.member("globex") }, 1))[0]).toMatchObject({ data: { ingestion: { document: { title: "Secret" } } } });
    // What ends gives its share back.
    await Promise.all(clients.splice(0).map((open) => open.dispose()));
    await expect.poll(async () => (await listen(ingestion(mine.id), { token }, 1))[0]).toMatchObject({ data: { ingestion: { document: { title: "Handbook" } } } });
  });

  test("one tenant cannot hold every socket, which are not charged as requests", async () => {
    const token = await harness.member();
    const acknowledged = async (bearer: string): Promise<string> => {
      const socket = new WebSocket(`${harness.url.replace("http", "ws")}/graphql`, "graphql-transport-ws");
      sockets.push(socket);
      await once(socket, "open");
      socket.send(JSON.stringify({ type: "connection_init", payload: { token: bearer } }));
      return Promise.race([once(socket, "message").then(() => "acknowledged"), once(socket, "close").then(([, reason]) => String(reason))]);
    };
    const sockets: WebSocket[] = [];
    const answers = await Promise.all(Array.from({ length: 252 }, () => acknowledged(token)));
    expect(answers.filter((answer) => answer === "acknowledged")).toHaveLength(250);
    expect(answers.filter((answer) => answer === "RATE_LIMITED")).toHaveLength(2);
    expect(await acknowledged(await harness.member("globex"))).toBe("acknowledged");
    for (const socket of sockets) socket.terminate();
    await expect.poll(() => acknowledged(token)).toBe("acknowledged");
    for (const socket of sockets) socket.terminate();
  });

  test("a client that leaves releases its source", async () => {
    const row = harness.services.addDocument("acme", "Handbook");
    await listen(ingestion(row.id), { token: await harness.member() }, 1);
    await expect.poll(() => harness.services.watched[0]?.aborted).toBe(true);
  });
});

describe("over server-sent events", () => {
  test("a stream of next and a complete", async () => {
    const { move } = await harness.services.tenants.changeTier("acme", "ENTERPRISE");
    const events = await all(serverSentEvents(`subscription { placementMove(id: "${move?.id}") { placementMove { phase } } }`, await harness.operator()));
    expect(events).toEqual([
      { event: "next", data: { data: { placementMove: { placementMove: { phase: "COPYING" } } } } },
      { event: "next", data: { data: { placementMove: { placementMove: { phase: "DONE" } } } } },
      { event: "complete", data: null },
    ]);
  });

  test("an anonymous subscriber is refused with 401 and nothing is opened", async () => {
    const row = harness.services.addDocument("acme", "Handbook");
    expect(await all(serverSentEvents(ingestion(row.id), undefined))).toMatchObject([{ event: "401", data: { errors: [{ extensions: { code: "UNAUTHENTICATED" } }] } }]);
    expect(harness.services.watched).toEqual([]);
  });

  test("limits and refusals have their HTTP status", async () => {
    const token = await harness.member();
    expect(await all(serverSentEvents("{ nothing }", token))).toMatchObject([{ event: "400", data: { errors: [{ extensions: { code: "BAD_USER_INPUT" } }] } }]);
    expect(await all(serverSentEvents(`{ ${Array.from({ length: 40 }, (_unused, at) => `a${at}: __typename`).join(" ")} }`, token))).toMatchObject([{ event: "400", data: { errors: [{ extensions: { code: "QUERY_TOO_COMPLEX" } }] } }]);
    harness.admission.limit = 0;
    expect(await all(serverSentEvents("{ viewer { user } }", token))).toMatchObject([{ event: "429", data: { errors: [{ extensions: { code: "RATE_LIMITED", retryAfterMs: 2_500 } }] } }]);
  });

  test("a client that leaves releases its source", async () => {
    const row = harness.services.addDocument("acme", "Handbook");
    const leave = new AbortController();
    const events = serverSentEvents(ingestion(row.id), await harness.member(), leave.signal);
    expect((await events.next()).value).toMatchObject({ event: "next" });
    leave.abort();
    await expect(events.next()).rejects.toThrow();
    await expect.poll(() => harness.services.watched[0]?.aborted).toBe(true);
  });

  test("a draining server ends its streams and tells why", async () => {
    const draining = await startHarness();
    const row = draining.services.addDocument("acme", "Handbook");
    const response = await fetch(`${draining.url}/graphql`, {
      method: "POST",
      headers: { "content-type": "application/json", accept: "text/event-stream", authorization: `Bearer ${await draining.member()}` },
      body: JSON.stringify({ query: ingestion(row.id) }),
    });
    await expect.poll(() => draining.services.watched.length).toBe(1);
    const startedAt = performance.now();
    await draining.gateway.drain();
    expect(await response.text()).toContain("SERVICE_UNAVAILABLE");
    expect(performance.now() - startedAt).toBeLessThan(5_000);
  });
});

test("without the guard, shield alone lets an anonymous subscribe run: with it, the source is never asked", async () => {
  const { schema } = buildGuardedSchema();
  const field = schema.getSubscriptionType()?.getFields().ingestion;
  let opened = 0;
  if (field !== undefined) {
    field.subscribe = () => {
      opened += 1;
    };
  }
  guardSubscriptions(schema, fieldRules);
  expect(() => field?.subscribe?.(undefined, {}, { kind: "ANONYMOUS" }, {} as never)).toThrow("bearer token");
  expect(() => field?.subscribe?.(undefined, {}, { kind: "OPERATOR" }, {} as never)).toThrow("role");
  expect(opened).toBe(0);
  field?.subscribe?.(undefined, {}, { kind: "TENANT", tenant: { roles: ["member"] } }, {} as never);
  expect(opened).toBe(1);
});
