import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { GraphQLError, type ExecutionArgs } from "graphql";
import { type Extra, useServer } from "graphql-ws/use/ws";
import { WebSocketServer, type ServerOptions, type WebSocket } from "ws";
import { BulkheadError, internal, queryTooComplex, unauthenticated } from "../kernel/errors.js";
import type { Telemetry } from "../kernel/telemetry.js";
import { maskError, maskRequestError, meantError } from "../graphql/mask-errors.js";
import type { VerifiedCaller } from "../tenancy/verified-caller.js";
import { authenticate } from "./authenticate.js";
import { toGraphQLError } from "./cut-stream.js";
import { bodyBytesMax } from "./read-body.js";
import type { PreparedOperation, StreamedOperations } from "./streamed-operation.js";
import { TenantShares } from "./tenant-shares.js";
import type { TokenVerifier } from "./token-verifier.js";
import { WaitingSockets } from "./waiting-sockets.js";

/** Whose caller is known. Each costs about 50 KB and a descriptor. */
const socketsMax = 5_000;

/** A twentieth of all: opening a socket is not charged as a request. */
const socketsPerTenantMax = 250;

/** Operations at once on one socket: more is a client that forgot to end them. */
const operationsPerSocketMax = 50;

/** Close codes of the protocol: not authenticated, and not allowed. */
const closeUnauthorized = 4401;
const closeForbidden = 4403;

/** RFC 6455, 7.1.5: the connection ended without a close frame. */
const closedWithoutWord = 1006;

/** A peer that does not answer the close frame keeps its place no longer than this. The library's own 30 s are 15 times the places. */
const closeMsMax = 2_000;

// `closeTimeout` is documented, and only missing in the package's types.
const serverOptions: ServerOptions & { readonly closeTimeout: number } = { noServer: true, maxPayload: bodyBytesMax, perMessageDeflate: false, closeTimeout: closeMsMax };

/** For the first message with the token; the protocol leaves the number to the server. */
const initMsMax = 3_000;

/** Longest delay a timer takes: 2^31 − 1 ms. */
const timerMsMax = 2_147_000_000;

/** Lets the streams of an expired token say why they end before their socket closes. */
const afterStreamsMs = 100;

/** GraphQL over WebSocket at `/graphql`, with the token in `connection_init`. */
export class WebSockets {
  readonly #server = new WebSocketServer(serverOptions);
  readonly #callers = new WeakMap<WebSocket, VerifiedCaller>();
  readonly #lost = new WeakSet<WebSocket>();
  readonly #waiting = new WaitingSockets();
  /** How many sockets have a caller. */
  #open = 0;
  readonly #shares = new TenantShares("openSockets", socketsPerTenantMax);

  constructor(operations: StreamedOperations, verifier: TokenVerifier, telemetry: Telemetry) {
    // Before the library's own listener, which ends the operations of a socket that closes.
    this.#server.on("connection", (socket) => socket.once("close", (code) => code === closedWithoutWord && this.#lost.add(socket)));
    useServer<Record<string, unknown>>(
      {
        connectionInitWaitTimeout: initMsMax,
        onConnect: async ({ connectionParams, extra }) => {
          try {
            const caller = await authenticate(tokenOf(connectionParams), verifier);
            // It may have closed while its token was verified, and would never give its share back.
            if (extra.socket.readyState !== extra.socket.OPEN) return false;
            this.#take(extra.socket, caller);
            this.#closeAtExpiry(extra);
            return true;
          } catch (error) {
            const meant = meantError(error) ?? internal("Unexpected error", error);
            extra.socket.close(meant.httpStatus === 401 ? closeUnauthorized : closeForbidden, meant.code);
            return false;
          }
        },
        onSubscribe: async ({ extra, subscriptions }, _id, payload) => {
          try {
            const running = Object.keys(subscriptions).length;
            if (running > operationsPerSocketMax) throw queryTooComplex(`${running} operations on one connection`, `at most ${operationsPerSocketMax}`);
            return await operations.prepare(payload, this.#callerOf(extra), () => this.#lost.has(extra.socket));
          } catch (error) {
            return [maskedError(error, telemetry)];
          }
        },
        // The library hands back the very object that `onSubscribe` returned.
        execute: (args: ExecutionArgs) => operations.start(args as PreparedOperation),
        subscribe: (args: ExecutionArgs) => operations.start(args as PreparedOperation),
        isProd: true,
      },
      this.#server,
    );
  }

  /** Takes over a socket that asked to be upgraded. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    // Those that have not said who they are do not count: they would keep out all who can.
    if (this.#open >= socketsMax) {
      socket.end("HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nConnection: close\r\n\r\n");
      return;
    }
    this.#server.handleUpgrade(request, socket, head, (client) => {
      this.#waiting.add(client, request.socket);
      this.#server.emit("connection", client, request);
    });
  }

  /** Tells clients to come again elsewhere. Their operations end as when a client goes. */
  close(): void {
    for (const client of this.#server.clients) client.close(1001, "Going away");
    this.#server.close();
  }

  terminate(): void {
    for (const client of this.#server.clients) client.terminate();
  }

  /** Throws `OVERLOADED` when all tenants together hold too many, `RATE_LIMITED` when this one does. */
  #take(socket: WebSocket, caller: VerifiedCaller): void {
    if (this.#open >= socketsMax) throw new BulkheadError("OVERLOADED", "Too many sockets are open", { limit: "openSockets", retryAfterMs: 1_000 });
    const giveBack = this.#shares.take(caller);
    this.#open += 1;
    socket.once("close", () => {
      this.#open -= 1;
      giveBack();
    });
    this.#waiting.remove(socket);
    this.#callers.set(socket, caller);
  }

  /** An open socket must not outlive its token, even when nothing runs on it. */
  #closeAtExpiry({ socket }: Extra): void {
    const leftMs = this.#callerOf({ socket }).expiresAt * 1_000 - Date.now();
    const timer = setTimeout(() => socket.close(closeUnauthorized, "UNAUTHENTICATED"), Math.max(0, Math.min(leftMs, timerMsMax)) + afterStreamsMs).unref();
    socket.once("close", () => clearTimeout(timer));
  }

  #callerOf({ socket }: Pick<Extra, "socket">): VerifiedCaller {
    const caller = this.#callers.get(socket);
    if (caller === undefined) throw unauthenticated();
    return caller;
  }
}

/** `authorization: "Bearer …"` as HTTP has it, or the bare `token`. */
function tokenOf(parameters: Readonly<Record<string, unknown>> | undefined): string | undefined {
  const header = parameters?.authorization ?? parameters?.Authorization;
  if (typeof header === "string") return header;
  return typeof parameters?.token === "string" ? `Bearer ${parameters.token}` : undefined;
}

function maskedError(error: unknown, telemetry: Telemetry): GraphQLError {
  const meant = meantError(error);
  if (error instanceof GraphQLError && meant === undefined) return toGraphQLError(maskRequestError(error));
  if (meant === undefined || meant.code === "INTERNAL") telemetry.log("error", "Unexpected error before an operation", { err: meant ?? error });
  return toGraphQLError(maskError(error));
}
