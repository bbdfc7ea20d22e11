/**
 * HTTP: from bytes to the GraphQL layer and back. Before it: the network. After it: Apollo for
 * queries, `streamed-operation.ts` for subscriptions; each calls `authenticate.ts` and then
 * `open-request.ts`. A small adapter over node:http, since the express integration costs a third of
 * the throughput.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { once } from "node:events";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { newId, type RequestId } from "../kernel/ids.js";
import { StageClock } from "../kernel/stage-clock.js";
import type { Tracing } from "../kernel/tracing.js";
import type { Telemetry } from "../kernel/telemetry.js";
import type { RequestTimings } from "../insights/timed-request.js";
import { meantError } from "../graphql/mask-errors.js";
import { AdapterWeights } from "./adapter-weights.js";
import { ConsolePage } from "./console-page.js";
import type { Cors } from "./cors.js";
import { DemoTokens } from "./demo-tokens.js";
import type { DocumentUploads } from "./document-uploads.js";
import type { EventStreams } from "./event-stream.js";
import type { GraphqlEndpoint } from "./graphql-endpoint.js";
import type { Health } from "./health.js";
import { toHttpAnswer } from "./http-error.js";
import type { OfflineIde } from "./offline-ide.js";
import type { RequestLog } from "./request-log.js";
import type { RequestNote } from "./request-note.js";
import type { StreamedOperations } from "./streamed-operation.js";
import type { WebSockets } from "./web-sockets.js";

export interface HttpParts {
  readonly graphql: GraphqlEndpoint;
  readonly events: EventStreams;
  readonly uploads: DocumentUploads;
  readonly adapters: AdapterWeights;
  readonly sockets: WebSockets;
  readonly streams: StreamedOperations;
  readonly ide: OfflineIde;
  readonly console: ConsolePage;
  readonly demoTokens: DemoTokens;
  readonly health: Health;
  readonly cors: Cors;
  readonly telemetry: Telemetry;
  readonly timings: RequestTimings;
  readonly tracing: Tracing;
  readonly log: RequestLog;
  /** How long requests are still accepted once readiness fails, in ms. */
  readonly drainDelayMs: number;
}

/** How long running requests may take to end after the server has stopped to accept. */
const drainMsMax = 10_000;

export class HttpServer {
  readonly #server: Server;
  /** Readiness fails, and every answer closes its connection; requests are still taken. */
  #leaving = false;
  #draining = false;
  /** Connections that have carried no request yet. Browsers open some in advance; Node counts them neither as idle nor as done. */
  readonly #silent = new Set<Socket>();

  constructor(private readonly parts: HttpParts) {
    this.#server = createServer((request, response) => void this.#answer(request, response));
    this.#server.on("connection", (socket: Socket) => {
      this.#silent.add(socket);
      socket.once("close", () => this.#silent.delete(socket));
    });
    this.#server.on("upgrade", (request, socket, head: Buffer) => this.#upgrade(request, socket, head));
    // A slow sender holds a socket and no more than that, or one of its tenant's places for uploads: 10 s for the head, 60 s for all of it.
    this.#server.headersTimeout = 10_000;
    this.#server.requestTimeout = 60_000;
    // Longer than the 60 s of common load balancers, so that they close idle connections and not we under their next request.
    this.#server.keepAliveTimeout = 65_000;
  }

  /** Rejects with Node's own error when the address is taken. */
  async listen(host: string, port: number): Promise<{ readonly url: string }> {
    this.#server.listen(port, host);
    await once(this.#server, "listening");
    const address = this.#server.address();
    const boundPort = typeof address === "object" && address !== null ? address.port : port;
    return { url: `http://${host.includes(":") ? `[${host}]` : host}:${boundPort}` };
  }

  /** Fails readiness from now on, and serves as before. */
  leave(): void {
    this.#leaving = true;
    this.parts.health.startDraining();
  }

  /** Readiness fails first; after the delay nothing new is accepted, running requests end, and what is left after 10 s is cut. */
  async drain(): Promise<void> {
    this.leave();
    if (!this.#server.listening) return;
    // Whoever sends requests here learns it from the next probe: until then they keep coming, and none may be refused.
    await sleep(this.parts.drainDelayMs);
    this.#draining = true;
    const closed = once(this.#server, "close");
    this.#server.close();
    this.#server.closeIdleConnections();
    for (const socket of this.#silent) socket.destroy();
    this.parts.sockets.close();
    this.parts.streams.endAll();
    const cut = new AbortController();
    await Promise.race([closed, sleep(drainMsMax, undefined, { signal: cut.signal }).catch(() => undefined)]);
    cut.abort();
    this.parts.sockets.terminate();
    this.#server.closeAllConnections();
    await closed;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const startedAt = performance.now();
    this.#silent.delete(request.socket);
    const note: RequestNote = { requestId: newId<RequestId>("request"), clock: new StageClock("receive", undefined, startedAt) };
    response.setHeader("x-request-id", note.requestId);
    response.setHeader("x-content-type-options", "nosniff");
    if (this.#leaving) response.setHeader("connection", "close");
    response.once("close", () => {
      const endedAt = performance.now();
      note.clock.end(endedAt);
      this.#tell(request, response, note, endedAt - startedAt);
      // What began before the drain promised to keep its connection; once idle, nothing else would close it.
      if (this.#draining) setImmediate(() => this.#server.closeIdleConnections());
    });
    try {
      await this.#traced(request, response, note);
    } catch (error) {
      this.#fail(error, response, note.requestId);
    }
  }

  /** Under the trace of whoever calls. Probes and pages are not traced. */
  #traced(request: IncomingMessage, response: ServerResponse, note: RequestNote): Promise<void> {
    const { tracing } = this.parts;
    const route = routeOf(pathOf(request));
    const { method = "GET", headers: { traceparent } } = request;
    if (!tracing.isOn || !tracedRoutes.has(route)) return this.#route(request, response, note);
    return tracing.serve(`${method} /${route}`, { "http.request.method": method, "http.route": `/${route}`, "bulkhead.request.id": note.requestId }, typeof traceparent === "string" ? traceparent : undefined, async () => {
      await this.#route(request, response, note);
      tracing.annotate({ "http.response.status_code": response.statusCode });
    });
  }

  async #route(request: IncomingMessage, response: ServerResponse, note: RequestNote): Promise<void> {
    const { parts } = this;
    const path = pathOf(request);
    const method = request.method ?? "GET";
    if (path === "/graphql") {
      parts.cors.apply(request, response);
      if (method === "OPTIONS") return parts.cors.answerPreflight(request, response);
      if (method === "POST" && request.headers.accept === "text/event-stream") return parts.events.serve(request, response, note);
      if (method === "POST" || method === "GET" || method === "HEAD") return parts.graphql.serve(request, response, note);
      return void response.writeHead(405, { allow: "GET, POST, OPTIONS" }).end();
    }
    if (path === "/documents") {
      parts.cors.apply(request, response);
      if (method === "OPTIONS") return parts.cors.answerPreflight(request, response);
      if (method === "POST") return parts.uploads.serve(request, response, note);
      return void response.writeHead(405, { allow: "POST, OPTIONS" }).end();
    }
    if (AdapterWeights.isPath(path)) {
      parts.cors.apply(request, response);
      if (method === "OPTIONS") return parts.cors.answerPreflight(request, response);
      const allowed = path === "/adapters" ? "POST" : "GET";
      if (method === allowed) return parts.adapters.serve(path, request, response, note);
      return void response.writeHead(405, { allow: `${allowed}, OPTIONS` }).end();
    }
    if (method !== "GET" && method !== "HEAD") return this.#notFound(response);
    if (path === "/") return void response.writeHead(302, { location: "/graphql" }).end();
    if (path === "/ide" || path.startsWith("/ide/")) return (await parts.ide.serve(path, request, response)) ? undefined : this.#notFound(response);
    if (DemoTokens.isPath(path)) return parts.demoTokens.serve(request, response);
    if (ConsolePage.isPath(path)) return parts.console.serve(path, request, response);
    if (!(await parts.health.serve(path, request, response))) this.#notFound(response);
  }

  #notFound(response: ServerResponse): void {
    response.writeHead(404, { "content-type": "text/plain; charset=utf-8" }).end("Not found\n");
  }

  #fail(error: unknown, response: ServerResponse, requestId: RequestId): void {
    const meant = meantError(error);
    if (meant === undefined || meant.code === "INTERNAL") this.parts.telemetry.log("error", "Unexpected error in the gateway", { requestId, err: meant ?? error });
    if (response.headersSent || response.destroyed) return void response.destroy();
    const { status, headers, body } = toHttpAnswer(error, requestId);
    // The rest of a refused body may still be on its way: the connection cannot carry another request.
    if (status === 413) response.setHeader("connection", "close");
    response.writeHead(status, headers).end(body);
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    this.#silent.delete(request.socket);
    socket.on("error", (error: Error) => this.parts.telemetry.log("debug", "A socket failed while being upgraded", { err: error }));
    const status = this.#draining ? "503 Service Unavailable" : pathOf(request) !== "/graphql" ? "404 Not Found" : this.parts.cors.allowsSocket(request) ? undefined : "403 Forbidden";
    if (status === undefined) this.parts.sockets.upgrade(request, socket, head);
    else socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\n\r\n`);
  }

  #tell(request: IncomingMessage, response: ServerResponse, note: RequestNote, ms: number): void {
    const route = routeOf(pathOf(request));
    const status = response.writableFinished ? String(response.statusCode) : "aborted";
    const times = note.clock.read();
    this.parts.timings.ended({ times, wallMs: ms, ...(note.served === undefined ? {} : { served: note.served }) });
    this.parts.telemetry.count("http_requests", { route, status });
    this.parts.telemetry.observe("http_request_ms", ms, { route });
    const { requestId, caller, context } = note;
    const http = { method: request.method, route, status, bytesIn: Number(request.headers["content-length"] ?? 0), bytesOut: Number(response.getHeader("content-length") ?? 0) };
    const transport = request.headers.accept === "text/event-stream" ? "SSE" : "HTTP";
    this.parts.log.write(route === "graphql" ? "info" : "debug", { requestId, transport, ...(caller === undefined ? {} : { caller }), ...(context === undefined ? {} : { context }), times, wallMs: ms, http });
  }
}

const tracedRoutes: ReadonlySet<string> = new Set(["graphql", "documents", "adapters"]);

function pathOf(request: IncomingMessage): string {
  const url = request.url ?? "/";
  const query = url.indexOf("?");
  return query === -1 ? url : url.slice(0, query);
}

/** A label of few values: whole paths would make a time series for each probe of a scanner. */
function routeOf(path: string): string {
  if (path === "/graphql" || path === "/documents") return path.slice(1);
  if (AdapterWeights.isPath(path)) return "adapters";
  if (ConsolePage.isPath(path)) return "console";
  return path.startsWith("/ide") ? "ide" : path.startsWith("/health/") ? "health" : path === "/metrics" ? "metrics" : "other";
}
