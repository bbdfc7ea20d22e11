/** The whole server as a process of its own, that can be killed; and the engine alone, likewise. */
import { spawn, type ChildProcessByStdio } from "node:child_process";
import { createServer, type Server } from "node:http";
import { mkdtempSync, rmSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { Readable } from "node:stream";
import { loadOrCreateDevelopmentKey, signDevelopmentToken, type DevelopmentKey } from "../../src/gateway/development-key.js";
import { internal } from "../../src/kernel/errors.js";
import type { As, GraphqlAnswer, Json } from "../acceptance/server.js";

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

const root = resolve(import.meta.dirname, "../..");

/** A start on a machine that is busy with other suites. */
const readyMsMax = 60_000;

/** A command of ours in a process: what it says is kept, and how it ends is known. */
export class Command {
  out = "";
  err = "";
  readonly ended: Promise<Ended>;

  private constructor(readonly child: ChildProcessByStdio<null, Readable, Readable>) {
    child.stdout.on("data", (part: Buffer) => (this.out += part.toString()));
    child.stderr.on("data", (part: Buffer) => (this.err += part.toString()));
    // Of `close` and not of `exit`: only then is all that was written read.
    this.ended = new Promise((done) => child.once("close", (code, signal) => done({ code, signal })));
  }

  /** With no variable of the environment but those that are given. */
  static run(script: string, args: readonly string[], environment: Readonly<Record<string, string>>): Command {
    const env = { PATH: process.env["PATH"] ?? "", HOME: process.env["HOME"] ?? "", ...environment };
    return new Command(spawn(process.execPath, ["--import", "tsx", script, ...args], { cwd: root, env, stdio: ["ignore", "pipe", "pipe"] }));
  }

  /** Waits for a text on stdout; fails with what was said on stderr when the process ends first. */
  async says(pattern: RegExp): Promise<RegExpExecArray> {
    const end = Date.now() + readyMsMax;
    for (;;) {
      const found = pattern.exec(this.out);
      if (found !== null) return found;
      if (this.child.exitCode !== null || this.child.signalCode !== null) throw internal(`The process ended before it was ready: ${this.err}`);
      if (Date.now() > end) throw internal(`The process did not say ${String(pattern)} in time: ${this.out}${this.err}`);
      await new Promise((done) => setTimeout(done, 20));
    }
  }

  /** Resolves when it has ended. Harmless when it has already. */
  async kill(signal: NodeJS.Signals = "SIGKILL"): Promise<Ended> {
    this.child.kill(signal);
    return this.ended;
  }
}

/** The issuer that the servers of a test trust: it signs tokens and serves its keys over HTTP. */
export class Issuer {
  private constructor(private readonly server: Server, private readonly key: DevelopmentKey, readonly jwksUri: string) {}

  static async start(): Promise<Issuer> {
    const folder = mkdtempSync(join(tmpdir(), "bulkhead-issuer-"));
    const key = await loadOrCreateDevelopmentKey(folder);
    rmSync(folder, { recursive: true });
    const server = createServer((_request, response) => response.setHeader("content-type", "application/json").end(JSON.stringify({ keys: [key.publicJwk] })));
    await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
    return new Issuer(server, key, `http://127.0.0.1:${(server.address() as AddressInfo).port}/keys`);
  }

  token(as: As): Promise<string> {
    const common = { issuer: "https://bulkhead.local", ttlSeconds: 3_600 };
    return as === "operator"
      ? signDevelopmentToken(this.key, { ...common, audience: "bulkhead-operator", userId: "operator", subject: { kind: "OPERATOR" } })
      : signDevelopmentToken(this.key, { ...common, audience: "bulkhead", userId: as.user ?? "anna", subject: { kind: "TENANT", tenantId: as.tenant, roles: as.roles ?? ["admin"] } });
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((done) => this.server.close(done));
  }
}

/** Set up as in production, so that no demo tenant is onboarded; the port is a free one. */
export class ServerProcess {
  private constructor(readonly command: Command, readonly url: string, private readonly issuer: Issuer) {}

  static async start(issuer: Issuer, dataDir: string, environment: Readonly<Record<string, string>> = {}): Promise<ServerProcess> {
    const command = Command.run("src/main.ts", [], { ...productionOf(issuer, dataDir), ...environment });
    const [, url = ""] = await command.says(/GraphQL and Sandbox +(\S+)\/graphql/);
    return new ServerProcess(command, url, issuer);
  }

  async ask(as: As, query: string, variables: Readonly<Record<string, unknown>> = {}): Promise<GraphqlAnswer> {
    const response = await fetch(`${this.url}/graphql`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${await this.issuer.token(as)}` },
      body: JSON.stringify({ query, variables }),
    });
    const text = await response.text();
    const body = JSON.parse(text) as { data?: Json | null; errors?: GraphqlAnswer["errors"] };
    return { status: response.status, headers: response.headers, data: body.data ?? {}, errors: body.errors ?? [], text };
  }

  async must(as: As, query: string, variables: Readonly<Record<string, unknown>> = {}): Promise<Json> {
    const answer = await this.ask(as, query, variables);
    if (answer.errors.length > 0) throw internal(`The server answered ${answer.text}`);
    return answer.data;
  }
}

export function productionOf(issuer: Issuer, dataDir: string): Record<string, string> {
  return { NODE_ENV: "production", JWKS_URI: issuer.jwksUri, MASTER_KEY: "bulkhead".repeat(5).concat("abc="), DATA_DIR: dataDir, PORT: "0", LOG_LEVEL: "error", AUDIT_INTERVAL_MINUTES: "0" };
}

/** `npm run engine` on a free port, or on the one that it had before. */
export async function startEngineProcess(dir: string, port = 0, environment: Readonly<Record<string, string>> = {}): Promise<{ readonly command: Command; readonly uri: string; readonly port: number }> {
  const command = Command.run("scripts/engine.ts", ["--dir", dir, "--port", String(port)], environment);
  const [uri = "", bound = ""] = await command.says(/mongodb:\/\/[^:\s]+:(\d+)\/\S*/);
  return { command, uri, port: Number(bound) };
}

export interface TemporaryFolder {
  readonly path: string;
  remove(): void;
}

export function temporaryFolder(purpose: string): TemporaryFolder {
  const path = mkdtempSync(join(tmpdir(), `bulkhead-${purpose}-`));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}
