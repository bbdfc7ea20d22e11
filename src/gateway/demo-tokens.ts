import type { IncomingMessage, ServerResponse } from "node:http";
import { isLoopbackPeer } from "./loopback-peer.js";

export interface DemoToken {
  /** For a person to pick by. */
  readonly who: string;
  readonly token: string;
}

const path = "/console/demo-tokens.json";

/** How a browser on this machine names it. Any other name may be an attacker's, pointed at loopback after the page was loaded. */
const localHostPattern = /^(localhost|127\.0\.0\.1|\[::1\])(:\d{1,5})?$/i;

/**
 * Ready tokens for the console's sign-in, in development alone. What it hands out opens every demo
 * tenant, so it answers a page of this very server on this machine and nobody else: not another
 * machine, not a proxy, not a page of another site or port (no CORS header, and `Sec-Fetch-Site` is
 * looked at), and not a name that was rebound to loopback (the Host header must name loopback itself).
 */
export class DemoTokens {
  constructor(private readonly issue: (() => Promise<readonly DemoToken[]>) | undefined) {}

  static isPath(asked: string): boolean {
    return asked === path;
  }

  async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const headers = { "cache-control": "no-store", "cross-origin-resource-policy": "same-origin" };
    if (this.issue === undefined || request.method !== "GET" || !isOwnPage(request)) {
      return void response.writeHead(404, { ...headers, "content-type": "text/plain; charset=utf-8" }).end("Not found\n");
    }
    const body = JSON.stringify({ tokens: await this.issue() });
    response.writeHead(200, { ...headers, "content-type": "application/json; charset=utf-8" }).end(`${body}\n`);
  }
}

function isOwnPage(request: IncomingMessage): boolean {
  const { host = "", origin, "sec-fetch-site": site } = request.headers;
  if (!isLoopbackPeer(request) || !localHostPattern.test(host)) return false;
  if (origin !== undefined && origin !== `http://${host}`) return false;
  // Browsers say where a request comes from; "none" is a person who typed the address. Programs say nothing, and could read the key itself.
  return site === undefined || site === "same-origin" || site === "none";
}
