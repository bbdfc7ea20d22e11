import type { IncomingMessage, ServerResponse } from "node:http";
import { GraphQLError } from "graphql";
import { createHandler, type Handler, type Response } from "graphql-sse";
import { badUserInput } from "../kernel/errors.js";
import { maskRequestError } from "../graphql/mask-errors.js";
import { authenticate } from "./authenticate.js";
import { toHttpAnswer } from "./http-error.js";
import { parseJson, readBody } from "./read-body.js";
import { callerName, servedBy, type RequestNote } from "./request-note.js";
import type { StreamedOperations } from "./streamed-operation.js";
import type { TokenVerifier } from "./token-verifier.js";
import { trustedBody, type DocumentSource } from "./trusted-documents.js";

/** GraphQL over server-sent events: POST to `/graphql` with `Accept: text/event-stream`, one stream an operation. */
export class EventStreams {
  readonly #handler: Handler<IncomingMessage, RequestNote>;

  constructor(operations: StreamedOperations, verifier: TokenVerifier, private readonly documents: DocumentSource) {
    this.#handler = createHandler<IncomingMessage, RequestNote>({
      // No reserved streams: their token would be a second credential, living in memory and in URLs.
      authenticate: () => null,
      async onSubscribe(request, params) {
        try {
          request.context.clock.enter("auth");
          const caller = await authenticate(request.raw.headers.authorization, verifier);
          request.context.caller = callerName(caller);
          const prepared = await operations.prepare(params, caller, undefined, request.context.clock);
          const served = servedBy(prepared.contextValue);
          if (served !== undefined) request.context.served = served;
          request.context.context = prepared.contextValue;
          request.context.clock.enter("send");
          return await operations.start(prepared);
        } catch (error) {
          return refusal(error, request.context.requestId);
        }
      },
    });
  }

  async serve(request: IncomingMessage, response: ServerResponse, note: RequestNote): Promise<void> {
    // A form of another site can send text/plain with a user's cookies, never JSON.
    if (!/^application\/json\b/i.test(request.headers["content-type"] ?? "")) throw badUserInput("content-type", request.headers["content-type"] ?? "nothing", "application/json");
    const body = parseJson(await readBody(request));
    if (typeof body !== "object" || body === null || Array.isArray(body)) throw badUserInput("body", "JSON that is no object", "a JSON object with `query`");
    const [content, { status, headers }] = await this.#handler({
      method: "POST",
      url: request.url ?? "/graphql",
      headers: { get: (name) => (name === "accept" ? "text/event-stream" : String(request.headers[name] ?? "")) },
      // The library wants a text, which a client that sends a hash has left out.
      body: this.documents.isClosed ? trustedBody(body, this.documents) : (body as Record<string, unknown>),
      raw: request,
      context: note,
    });
    response.writeHead(status, headers);
    if (content === null || typeof content === "string") response.end(content ?? undefined);
    else await pour(content, response);
  }
}

function refusal(error: unknown, requestId: string): Response {
  if (error instanceof GraphQLError) {
    const masked = maskRequestError(error);
    return [`${JSON.stringify({ errors: [masked] })}\n`, { status: 400, statusText: "Bad Request", headers: { "content-type": "application/json; charset=utf-8" } }];
  }
  const { status, headers, body } = toHttpAnswer(error, requestId);
  return [body, { status, statusText: "", headers }];
}

async function pour(events: AsyncGenerator<string, void, undefined>, response: ServerResponse): Promise<void> {
  // The client's leaving ends the operation, not only its stream.
  const leave = (): void => void events.return(undefined);
  response.once("close", leave);
  for await (const event of events) {
    if (!response.writable) break;
    // A client that reads slowly must not make its events pile up here.
    if (!response.write(event)) await new Promise<void>((resolve) => response.once("drain", resolve).once("close", resolve));
  }
  response.off("close", leave);
  response.end();
}
