import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from "node:http";
import { HeaderMap, type ApolloServer, type HTTPGraphQLResponse } from "@apollo/server";
import { getOperationAST, parse } from "graphql";
import { ClientGone } from "../kernel/client-gone.js";
import { Deadline } from "../kernel/deadline.js";
import { deadlineExceeded, unauthenticated } from "../kernel/errors.js";
import type { RequestId } from "../kernel/ids.js";
import { isIntrospection, queryLimits } from "../graphql/query-limits.js";
import type { RequestContext } from "../graphql/request-context.js";
import { authenticate } from "./authenticate.js";
import { toHttpError } from "./http-error.js";
import type { RequestOpener } from "./open-request.js";
import { parseJson, readBody } from "./read-body.js";
import { callerName, servedBy, type RequestNote } from "./request-note.js";
import { tokenPlaceholder } from "./token-placeholder.js";
import type { TokenVerifier } from "./token-verifier.js";
import { trustedBody, type DocumentSource } from "./trusted-documents.js";

export interface EndpointParts {
  readonly apollo: ApolloServer<RequestContext>;
  readonly verifier: TokenVerifier;
  readonly opener: RequestOpener;
  readonly production: boolean;
  readonly documents: DocumentSource;
  readonly requestDeadlineMs: number;
}

/** How long a field may go on after the deadline before the whole request is answered without it. */
const graceMs = 1_000;

/** POST and GET of `/graphql`. */
export class GraphqlEndpoint {
  constructor(private readonly parts: EndpointParts) {}

  async serve(request: IncomingMessage, response: ServerResponse, note: RequestNote): Promise<void> {
    const asked = this.#asked(request, request.method === "POST" ? await bodyOf(request) : undefined);
    const deadline = Deadline.after(this.parts.requestDeadlineMs, note.clock);
    response.once("close", () => {
      if (!response.writableFinished) deadline.abort(new ClientGone(false));
      deadline.dispose();
    });
    const answer = await withinDeadline(this.#execute(request, asked, note, deadline), deadline);
    note.clock.enter("send");
    await send(answer, request, response);
  }

  /** What was asked, with the document that may run in its place. Throws `DOCUMENT_NOT_TRUSTED`. */
  #asked(request: IncomingMessage, body: unknown): Asked {
    const search = searchOf(request.url ?? "");
    const { documents } = this.parts;
    if (!documents.isClosed) return { search, body };
    if (request.method === "POST") return { search, body: trustedBody(body, documents) };
    const parameters = new URLSearchParams(search);
    // A browser that asks for the page asks for no document.
    if (["query", "documentId", "extensions"].every((name) => !parameters.has(name))) return { search, body };
    return { search: trustedSearch(parameters, documents), body };
  }

  #execute(request: IncomingMessage, { search, body }: Asked, note: RequestNote, deadline: Deadline): Promise<HTTPGraphQLResponse> {
    return this.parts.apollo.executeHTTPGraphQLRequest({
      httpGraphQLRequest: {
        method: request.method === "HEAD" ? "GET" : (request.method ?? "GET"),
        headers: headersOf(request),
        search,
        body,
      },
      context: () => this.#context(request, body, note, deadline),
    });
  }

  async #context(request: IncomingMessage, body: unknown, note: RequestNote, deadline: Deadline): Promise<RequestContext> {
    const { authorization } = request.headers;
    note.clock.enter("auth");
    try {
      if (authorization === undefined || authorization === tokenPlaceholder) return this.#anonymous(body, note.requestId, deadline);
      const caller = await authenticate(authorization, this.parts.verifier);
      note.caller = callerName(caller);
      const context = await this.parts.opener.open(caller, note.requestId, deadline);
      note.served = servedBy(context);
      note.context = context;
      return context;
    } catch (error) {
      throw toHttpError(error);
    } finally {
      note.clock.enter("parse");
    }
  }

  #anonymous(body: unknown, requestId: RequestId, deadline: Deadline): RequestContext {
    if (this.parts.production || !asksOnlyForSchema(body)) throw unauthenticated();
    return this.parts.opener.openAnonymous(requestId, deadline);
  }
}

interface Asked {
  readonly search: string;
  readonly body: unknown;
}

function searchOf(url: string): string {
  const at = url.indexOf("?");
  return at === -1 ? "" : url.slice(at);
}

function trustedSearch(parameters: URLSearchParams, documents: DocumentSource): string {
  const query = documents.documentOf({ query: parameters.get("query"), documentId: parameters.get("documentId"), extensions: parsedOrNothing(parameters.get("extensions")) });
  const kept = ["operationName", "variables"].flatMap((name) => parameters.getAll(name).map((value): [string, string] => [name, value]));
  return `?${new URLSearchParams([["query", String(query)], ...kept]).toString()}`;
}

function parsedOrNothing(json: string | null): unknown {
  try {
    return JSON.parse(json ?? "null") as unknown;
  } catch {
    // Then it names no document, which is what is refused.
    return undefined;
  }
}

async function bodyOf(request: IncomingMessage): Promise<unknown> {
  const text = await readBody(request);
  // Other types are left unparsed: Apollo's CSRF prevention refuses those that need no preflight.
  return /^application\/json\b/i.test(request.headers["content-type"] ?? "") ? parseJson(text) : {};
}

/** Whether a request holds introspection and nothing else; anything unclear is not. */
function asksOnlyForSchema(body: unknown): boolean {
  if (typeof body !== "object" || body === null) return false;
  const { query, operationName } = body as { query?: unknown; operationName?: unknown };
  if (typeof query !== "string") return false;
  try {
    const document = parse(query, { maxTokens: queryLimits.tokensMax, noLocation: true });
    const operation = getOperationAST(document, typeof operationName === "string" ? operationName : undefined);
    return operation !== null && operation !== undefined && isIntrospection(document, operation);
  } catch {
    // A document that cannot be parsed needs a token to be told why.
    return false;
  }
}

/** What Apollo decides by: CSRF prevention, and the media type of the answer. */
const apolloHeaders = ["content-type", "accept", "x-apollo-operation-name", "apollo-require-preflight"] as const;

/** Of the others it has no use, and a token need not come to where errors are made and told. */
function headersOf({ headers }: IncomingMessage): HeaderMap {
  const kept = new HeaderMap();
  for (const name of apolloHeaders) {
    const value = headers[name];
    if (value !== undefined) kept.set(name, typeof value === "string" ? value : value.join(", "));
  }
  return kept;
}

/** A resolver that ignores the deadline must not hold its caller's socket open for ever. */
function withinDeadline<T>(work: Promise<T>, { limitMs }: Deadline): Promise<T> {
  return new Promise((resolve, reject) => {
    const giveUp = setTimeout(() => reject(deadlineExceeded(limitMs)), limitMs + graceMs).unref();
    const settle = <Value>(settled: (value: Value) => void) => (value: Value): void => {
      clearTimeout(giveUp);
      settled(value);
    };
    work.then(settle(resolve), settle(reject));
  });
}

async function send(answer: HTTPGraphQLResponse, request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (response.destroyed) return;
  const headers: OutgoingHttpHeaders = {};
  for (const [name, value] of answer.headers) headers[name] = value;
  // Whatever stands between must never show one caller's answer to another.
  headers["cache-control"] = "no-store";
  if (answer.body.kind === "complete") {
    const { string } = answer.body;
    const bytes = Buffer.byteLength(string);
    // Without it Node cuts the body into chunks, and writes three pieces instead of one.
    headers["content-length"] = bytes;
    response.writeHead(answer.status ?? 200, headers);
    // As many bytes as characters means ASCII alone, which is the same in latin1 and is copied there without being looked at.
    response.end(request.method === "HEAD" ? undefined : string, bytes === string.length ? "latin1" : "utf8");
    return;
  }
  response.writeHead(answer.status ?? 200, headers);
  for await (const chunk of answer.body.asyncIterator) response.write(chunk);
  response.end();
}
