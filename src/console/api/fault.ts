import { CombinedGraphQLErrors, ServerError } from "@apollo/client";

/** What a person needs to know about something that did not work. */
export interface Fault {
  /** A code of the server's catalogue, or `NETWORK` when no answer came. */
  readonly code: string;
  readonly message: string;
  readonly requestId?: string;
  readonly limit?: string;
  readonly retryAfterMs?: number;
}

/** Response headers are gone by the time a component sees an error; the link that saw both leaves the id here. */
const requestIds = new WeakMap<object, string>();

export function noteRequestId(error: unknown, id: string | null | undefined): void {
  if (typeof error === "object" && error !== null && id) requestIds.set(error, id);
}

/** Close codes of graphql-ws: the token is not valid, or not allowed here. */
const socketCodes: Readonly<Record<string, string>> = { "4401": "UNAUTHENTICATED", "4403": "FORBIDDEN" };

/** Any error of a query, mutation, subscription or upload, in one shape. */
export function faultOf(error: unknown): Fault {
  const requestId = typeof error === "object" && error !== null ? requestIds.get(error) : undefined;
  if (CombinedGraphQLErrors.is(error)) return fromGraphQL(error.errors[0], requestId);
  if (ServerError.is(error)) return fromBody(error.bodyText, error.statusCode, requestId);
  const message = error instanceof Error ? error.message : String(error);
  const closed = /Socket closed with event (\d+)/.exec(message);
  const code = closed === null ? undefined : socketCodes[closed[1] ?? ""];
  return code === undefined ? { code: "NETWORK", message: "The server did not answer. Check that it is running" } : { code, message: code === "UNAUTHENTICATED" ? "The token is not valid any more" : "The token may not do this" };
}

/** An answer of the server outside GraphQL's 200: its body has GraphQL's shape. */
export function fromBody(text: string, status: number, requestId?: string): Fault {
  try {
    const { errors } = JSON.parse(text) as { errors?: readonly GraphQLShape[] };
    if (errors?.[0] !== undefined) return fromGraphQL(errors[0], requestId);
  } catch (error) {
    // A proxy's page instead of our JSON: what is left to say is its status.
    if (!(error instanceof SyntaxError)) throw error;
  }
  return { code: `HTTP_${status}`, message: `The server answered with status ${status}`, requestId };
}

export interface GraphQLShape {
  readonly message: string;
  readonly extensions?: Readonly<Record<string, unknown>>;
}

export function fromGraphQL(error: GraphQLShape | undefined, requestId?: string): Fault {
  const { code, limit, retryAfterMs, requestId: named } = error?.extensions ?? {};
  return {
    code: typeof code === "string" ? code : "INTERNAL",
    message: error?.message ?? "Something went wrong",
    requestId: typeof named === "string" ? named : requestId,
    limit: typeof limit === "string" ? limit : undefined,
    retryAfterMs: typeof retryAfterMs === "number" ? retryAfterMs : undefined,
  };
}
