import type { IncomingMessage, ServerResponse } from "node:http";

const exposedHeaders = "RateLimit, RateLimit-Policy, RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset, Retry-After, X-Request-Id";
const allowedHeaders = "authorization, content-type, accept, apollo-require-preflight, x-apollo-operation-name";

/** Which pages of other origins may read our answers. A list, never `*` and never an echo of whoever asks. */
export class Cors {
  readonly #origins: ReadonlySet<string>;

  constructor(origins: readonly string[]) {
    // `https://app.example.com/` in the configuration means the origin without the slash that browsers send.
    this.#origins = new Set(origins.map((origin) => new URL(origin).origin));
  }

  apply(request: IncomingMessage, response: ServerResponse): void {
    if (this.#origins.size > 0) response.setHeader("vary", "Origin");
    const { origin } = request.headers;
    if (origin === undefined || !this.#origins.has(origin)) return;
    response.setHeader("access-control-allow-origin", origin);
    response.setHeader("access-control-expose-headers", exposedHeaders);
  }

  answerPreflight(request: IncomingMessage, response: ServerResponse): void {
    const { origin } = request.headers;
    if (origin !== undefined && this.#origins.has(origin)) {
      response.setHeader("access-control-allow-methods", "GET, POST, OPTIONS");
      response.setHeader("access-control-allow-headers", allowedHeaders);
      response.setHeader("access-control-max-age", "600");
    }
    response.writeHead(204).end();
  }

  /** For WebSockets, which no CORS check of a browser protects. Programs send no Origin. */
  allowsSocket(request: IncomingMessage): boolean {
    const { origin, host } = request.headers;
    if (origin === undefined || this.#origins.has(origin)) return true;
    return URL.canParse(origin) && new URL(origin).host === host;
  }
}
