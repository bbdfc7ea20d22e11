import { readdir, readFile } from "node:fs/promises";
import type { IncomingMessage, ServerResponse } from "node:http";
import { extname, join, relative, sep } from "node:path";
import { promisify } from "node:util";
import { gzip } from "node:zlib";

const mediaTypes: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml", ".json": "application/json", ".woff2": "font/woff2",
};

/**
 * Nothing but this server may be asked, no script runs that this server did not send, and no other
 * page may frame it: a click under an invisible frame could erase a tenant. `'self'` covers the
 * WebSocket of the same host (CSP level 3, 6.7.2.8).
 */
const pageHeaders: Readonly<Record<string, string>> = {
  "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
  "referrer-policy": "no-referrer",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
};

const base = "/console";

/** Names that carry a hash of their content, as the bundler writes them: what lies under one never changes. */
const hashedPattern = /^assets\/.+-[\w-]{8}\.\w+$/;

interface PageFile {
  readonly body: Buffer;
  readonly packed: Buffer;
  readonly mediaType: string;
}

/** The console as it was built, from memory: it is small, and packed once. */
export class ConsolePage {
  #files?: Promise<ReadonlyMap<string, PageFile>>;

  constructor(private readonly folder: string) {}

  static isPath(path: string): boolean {
    return path === base || path.startsWith(`${base}/`);
  }

  /** Answers `/console` and all under it: files by name, and the page itself for every address that the page knows how to show. */
  async serve(path: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (path === base) return void response.writeHead(308, { location: `${base}/` }).end();
    const files = await this.#read();
    const page = files.get("index.html");
    if (page === undefined) return sayPlainly(response, "The console is not built: run npm run build");
    const name = path.slice(base.length + 1);
    // Looked up in a list, not resolved as a path: no `..` can lead anywhere. A name with an extension is a file or nothing.
    const file = files.get(name) ?? (extname(name) === "" ? page : undefined);
    if (file === undefined) return sayPlainly(response, "Not found");
    send(file, hashedPattern.test(name), request, response);
  }

  /** A folder that is not built is looked at again: a build mends it without a restart. */
  async #read(): Promise<ReadonlyMap<string, PageFile>> {
    this.#files ??= readFiles(this.folder);
    const files = await this.#files;
    if (!files.has("index.html")) this.#files = undefined;
    return files;
  }
}

function send(file: PageFile, isHashed: boolean, request: IncomingMessage, response: ServerResponse): void {
  const packs = /\bgzip\b/.test(String(request.headers["accept-encoding"] ?? ""));
  const body = packs ? file.packed : file.body;
  response.writeHead(200, {
    ...pageHeaders,
    "content-type": file.mediaType,
    "content-length": body.length,
    "cache-control": isHashed ? "public, max-age=31536000, immutable" : "no-cache",
    vary: "Accept-Encoding",
    ...(packs ? { "content-encoding": "gzip" } : {}),
  });
  response.end(request.method === "HEAD" ? undefined : body);
}

function sayPlainly(response: ServerResponse, line: string): void {
  response.writeHead(404, { "content-type": "text/plain; charset=utf-8", "cache-control": "no-store" }).end(`${line}\n`);
}

async function readFiles(folder: string): Promise<ReadonlyMap<string, PageFile>> {
  const names = await listNames(folder);
  const pack = promisify(gzip);
  const read = async (name: string): Promise<[string, PageFile]> => {
    const body = await readFile(join(folder, name));
    return [name.split(sep).join("/"), { body, packed: await pack(body), mediaType: mediaTypes[extname(name)] ?? "application/octet-stream" }];
  };
  return new Map(await Promise.all(names.map(read)));
}

async function listNames(folder: string): Promise<readonly string[]> {
  try {
    const entries = await readdir(folder, { recursive: true, withFileTypes: true });
    return entries.filter((entry) => entry.isFile()).map((entry) => relative(folder, join(entry.parentPath, entry.name)));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}
