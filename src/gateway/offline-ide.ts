import { createReadStream } from "node:fs";
import { readdir } from "node:fs/promises";
import type { IncomingMessage, ServerResponse } from "node:http";
import { extname, join, relative, sep } from "node:path";
import { pipeline } from "node:stream/promises";
import { getDistDirectory, isSandboxFrame, renderAltair, SANDBOX_FRAME_CSP } from "altair-static";
import { tokenPlaceholder } from "./token-placeholder.js";

const mediaTypes: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".json": "application/json",
  ".svg": "image/svg+xml", ".png": "image/png", ".ico": "image/x-icon", ".woff": "font/woff", ".woff2": "font/woff2", ".ttf": "font/ttf", ".wasm": "application/wasm",
};

/** Nothing but this server may be asked: the page must work on a machine without a network, and leak nothing on one with it. */
const contentSecurityPolicy =
  "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; worker-src 'self' blob:; connect-src 'self' ws: wss:; frame-src 'self'";

const hostPattern = /^[A-Za-z0-9.-]+(:\d+)?$|^\[[0-9a-f:]+\](:\d+)?$/i;

/** Altair, served from its npm package under `/ide/`. */
export class OfflineIde {
  #files?: Promise<ReadonlyMap<string, string>>;

  constructor(private readonly firstQuery: string | undefined) {}

  /** Answers `/ide` and everything under it. False when there is no such file. */
  async serve(path: string, request: IncomingMessage, response: ServerResponse): Promise<boolean> {
    if (path === "/ide") {
      response.writeHead(308, { location: "/ide/" }).end();
      return true;
    }
    if (path === "/ide/" || path === "/ide/index.html") {
      const html = this.#render(request.headers);
      response.writeHead(200, { "content-type": "text/html; charset=utf-8", "cache-control": "no-store", "content-security-policy": contentSecurityPolicy });
      response.end(request.method === "HEAD" ? undefined : html);
      return true;
    }
    return this.#serveFile(path.slice("/ide/".length), request, response);
  }

  async #serveFile(name: string, request: IncomingMessage, response: ServerResponse): Promise<boolean> {
    this.#files ??= listFiles(getDistDirectory());
    // Looked up in a list, not resolved as a path: no `..` can lead anywhere.
    const file = (await this.#files).get(name);
    if (file === undefined) return false;
    response.writeHead(200, {
      "content-type": mediaTypes[extname(file)] ?? "application/octet-stream",
      "cache-control": "public, max-age=3600",
      "content-security-policy": isSandboxFrame(name) ? SANDBOX_FRAME_CSP : contentSecurityPolicy,
    });
    if (request.method === "HEAD") response.end();
    else await pipeline(createReadStream(file), response);
    return true;
  }

  #render({ host, "x-forwarded-proto": scheme }: IncomingMessage["headers"]): string {
    // The Host header is the caller's text; what does not look like a host does not enter the page.
    const socket = host !== undefined && hostPattern.test(host) ? { subscriptionsEndpoint: `${scheme === "https" ? "wss" : "ws"}://${host}/graphql` } : {};
    return renderAltair({
      baseURL: "/ide/",
      endpointURL: "/graphql",
      initialHeaders: { Authorization: tokenPlaceholder },
      disableAccount: true,
      // Advertisements and news of versions, which lead off this machine.
      initialSettings: { theme: "system", language: "en-US", addQueryDepthLimit: 3, tabSize: 2, "banners.disable": true, "alert.disableUpdateNotification": true },
      ...socket,
      ...(this.firstQuery === undefined ? {} : { initialQuery: this.firstQuery }),
    });
  }
}

async function listFiles(root: string): Promise<ReadonlyMap<string, string>> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return new Map(files.map((file) => [relative(root, file).split(sep).join("/"), file]));
}
