/** The part of the Atlas Admin API that makes database users, over real HTTP with digest authentication, as its documentation has it. */
import { createHash, randomBytes } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface AtlasUserBody {
  username: string;
  password?: string;
  databaseName: string;
  roles: { roleName: string; databaseName: string }[];
  scopes: { name: string; type: string }[];
}

export interface SeenRequest {
  readonly method: string;
  readonly path: string;
  readonly authorized: boolean;
  readonly body: string;
}

/** What the next requests meet in place of Atlas: a status with headers, silence, or a cut connection. */
export type Fault = { status: number; headers?: Record<string, string>; body?: object | string } | "silence" | "cut";

const realm = "MMS Public API";
const md5 = (text: string): string => createHash("md5").update(text).digest("hex");

export class StubAtlas {
  readonly users = new Map<string, AtlasUserBody>();
  readonly seen: SeenRequest[] = [];
  readonly faults: Fault[] = [];
  readonly publicKey = "abcdefgh";
  readonly privateKey = "0f0e-private-key-of-tests";
  readonly projectId = "0123456789abcdef01234567";
  clusters: object[] = [];
  /** Told of each change, as Atlas brings it to the cluster some time after it has answered. */
  onChange: (name: string, user: AtlasUserBody | undefined) => void = () => {};
  readonly #nonces = new Set<string>();

  private constructor(private readonly server: Server) {}

  static async start(): Promise<StubAtlas> {
    const server = createServer();
    const stub = new StubAtlas(server);
    server.on("request", (request, response) => void stub.#answer(request, response));
    await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
    return stub;
  }

  get baseUrl(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((done) => this.server.close(done));
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    const body = Buffer.concat(parts).toString();
    const authorized = this.#isAuthorized(request);
    this.seen.push({ method: request.method ?? "", path: request.url ?? "", authorized, body });
    if (!authorized) {
      const nonce = randomBytes(12).toString("base64");
      this.#nonces.add(nonce);
      response.setHeader("www-authenticate", `Digest realm="${realm}", domain="", nonce="${nonce}", algorithm=MD5, qop="auth", stale=false`);
      return send(response, 401, { error: 401, errorCode: "UNAUTHORIZED", reason: "Unauthorized" });
    }
    const fault = this.faults.shift();
    if (fault === "silence") return;
    if (fault === "cut") return void request.socket.destroy();
    if (fault !== undefined) {
      for (const [name, value] of Object.entries(fault.headers ?? {})) response.setHeader(name, value);
      return send(response, fault.status, fault.body ?? { errorCode: "UNEXPECTED_ERROR", detail: `You sent ${body}` });
    }
    this.#serve(request.method ?? "", new URL(request.url ?? "", this.baseUrl).pathname, body, response);
  }

  #serve(method: string, path: string, body: string, response: ServerResponse): void {
    const group = `/api/atlas/v2/groups/${this.projectId}`;
    if (method === "GET" && path === `${group}/clusters`) return send(response, 200, { results: this.clusters, totalCount: this.clusters.length });
    if (method === "POST" && path === `${group}/databaseUsers`) return this.#create(JSON.parse(body) as AtlasUserBody, response);
    const name = decodeURIComponent(path.replace(`${group}/databaseUsers/admin/`, ""));
    const user = this.users.get(name);
    if (user === undefined) return send(response, 404, { errorCode: "USERNAME_NOT_FOUND" });
    if (method === "DELETE") {
      this.users.delete(name);
      this.onChange(name, undefined);
      return void response.writeHead(204).end();
    }
    if (method === "PATCH") {
      Object.assign(user, JSON.parse(body));
      this.onChange(name, user);
    }
    return send(response, 200, { ...user, password: undefined });
  }

  #create(user: AtlasUserBody, response: ServerResponse): void {
    if (this.users.has(user.username)) return send(response, 409, { errorCode: "USER_ALREADY_EXISTS" });
    this.users.set(user.username, user);
    this.onChange(user.username, user);
    send(response, 201, { ...user, password: undefined });
  }

  #isAuthorized(request: IncomingMessage): boolean {
    const header = request.headers.authorization ?? "";
    const field = (name: string): string => new RegExp(`\\b${name}="?([^",]*)"?`).exec(header)?.[1] ?? "";
    const nonce = field("nonce");
    // Each nonce serves once, so that a digest that was overheard serves nobody.
    if (!this.#nonces.delete(nonce) || field("username") !== this.publicKey || field("uri") !== request.url) return false;
    const secret = md5(`${this.publicKey}:${realm}:${this.privateKey}`);
    const asked = md5(`${request.method}:${request.url}`);
    return field("response") === md5(`${secret}:${nonce}:${field("nc")}:${field("cnonce")}:auth:${asked}`);
  }
}

function send(response: ServerResponse, status: number, body: object | string): void {
  response.writeHead(status, { "content-type": "application/json" }).end(typeof body === "string" ? body : JSON.stringify(body));
}
