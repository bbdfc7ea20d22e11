/** The whole server on a free port of loopback, spoken to over HTTP alone. */
import { cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { startApp, type App, type AppOptions } from "../../src/app.js";
import { parseConfig } from "../../src/config.js";
import { addsUp } from "../../src/insights/request-insights.js";
import type { TimedRequest } from "../../src/insights/timed-request.js";
import { loadOrCreateDevelopmentKey, signDevelopmentToken, type DevelopmentKey } from "../../src/gateway/development-key.js";

export interface GraphqlAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly data: Json;
  readonly errors: readonly { readonly message: string; readonly path?: readonly (string | number)[]; readonly extensions: Readonly<Record<string, unknown>> }[];
  readonly text: string;
}

/** An answer's data: read by path, held against what is expected, never trusted to have a shape. */
export interface Json {
  readonly [key: string]: Json;
}

export function listOf(json: Json | undefined): readonly Json[] {
  if (!Array.isArray(json)) throw new Error(`Got ${JSON.stringify(json)}, expected a list`);
  return json as readonly Json[];
}

export type As = { readonly tenant: string; readonly roles?: readonly ("member" | "admin")[]; readonly user?: string } | "operator";

/** Looks at every request of a suite: its stages have to add up to its time. */
class StageCheck {
  #checked = 0;
  readonly #wrong: string[] = [];

  readonly look = (request: TimedRequest): void => {
    this.#checked += 1;
    if (!addsUp(request)) this.#wrong.push(`${request.wallMs} ms: ${request.times.stages.map(({ name, ms }) => `${name} ${ms}`).join(", ")}`);
  };

  assertRight(): void {
    if (this.#checked === 0) throw new Error("No request was looked at, so nothing is known of their stages");
    if (this.#wrong.length > 0) throw new Error(`The stages of ${this.#wrong.length} of ${this.#checked} requests do not add up to their time, first of ${this.#wrong[0]}`);
  }
}

const repositoryTenants = resolve(import.meta.dirname, "../../tenants");

export class TestServer {
  private constructor(
    readonly dataDir: string,
    private app: App,
    private readonly key: DevelopmentKey,
    private readonly environment: Record<string, string>,
    private readonly tenantsFolder: string,
    private readonly stages: StageCheck,
  ) {}

  /** Without demo tenants: what a suite needs it creates through the API. */
  static async start(environment: Record<string, string> = {}, options: AppOptions = {}): Promise<TestServer> {
    const dataDir = mkdtempSync(join(tmpdir(), "bulkhead-acceptance-"));
    const tenantsFolder = join(dataDir, "tenants");
    for (const file of ["tiers.json", "prices.json"]) cpSync(join(repositoryTenants, file), join(tenantsFolder, file), { recursive: true });
    writeFileSync(join(tenantsFolder, "tenants.json"), "[]");
    return TestServer.#startWith(dataDir, tenantsFolder, environment, options);
  }

  /** As a newcomer has it after the first start. */
  static startWithDemo(): Promise<TestServer> {
    return TestServer.#startWith(mkdtempSync(join(tmpdir(), "bulkhead-acceptance-")), repositoryTenants, {});
  }

  static async #startWith(dataDir: string, tenantsFolder: string, environment: Record<string, string>, options: AppOptions = {}): Promise<TestServer> {
    const env = { DATA_DIR: dataDir, PORT: "0", LOG_LEVEL: "error", AUDIT_INTERVAL_MINUTES: "0", ...deployment(), ...environment };
    const stages = new StageCheck();
    const app = await startApp(parseConfig(env), () => {}, { tenantsFolder, retireAfterMs: 300, observeMs: 0, ...options, insights: { ...options.insights, onRequest: stages.look } });
    return new TestServer(dataDir, app, await loadOrCreateDevelopmentKey(dataDir), env, tenantsFolder, stages);
  }

  get url(): string {
    return this.app.url;
  }

  /** Stops the server and starts another on the same data, under another environment if one is given. */
  async restart(environment: Record<string, string> = {}): Promise<void> {
    await this.app.close();
    this.app = await startApp(parseConfig({ ...this.environment, ...environment }), () => {}, { tenantsFolder: this.tenantsFolder, retireAfterMs: 300, observeMs: 0, insights: { onRequest: this.stages.look } });
  }

  async stop(): Promise<void> {
    await this.app.close();
    rmSync(this.dataDir, { recursive: true, force: true });
    this.stages.assertRight();
  }

  token(as: As): Promise<string> {
    const common = { issuer: "https://bulkhead.local", ttlSeconds: 600 };
    return as === "operator"
      ? signDevelopmentToken(this.key, { ...common, audience: "bulkhead-operator", userId: "operator", subject: { kind: "OPERATOR" } })
      : signDevelopmentToken(this.key, { ...common, audience: "bulkhead", userId: as.user ?? "anna", subject: { kind: "TENANT", tenantId: as.tenant, roles: as.roles ?? ["admin"] } });
  }

  async ask(as: As | { readonly bearer: string } | undefined, query: string, variables: Record<string, unknown> = {}): Promise<GraphqlAnswer> {
    const bearer = as === undefined ? undefined : typeof as === "object" && "bearer" in as ? as.bearer : await this.token(as);
    const response = await fetch(`${this.url}/graphql`, {
      method: "POST",
      headers: { "content-type": "application/json", ...(bearer === undefined ? {} : { authorization: `Bearer ${bearer}` }) },
      body: JSON.stringify({ query, variables }),
    });
    const text = await response.text();
    const body = JSON.parse(text) as { data?: Json; errors?: GraphqlAnswer["errors"] };
    return { status: response.status, headers: response.headers, data: body.data ?? {}, errors: body.errors ?? [], text };
  }

  /** As `ask`, and fails on any error. */
  async must(as: As, query: string, variables: Record<string, unknown> = {}): Promise<Json> {
    const answer = await this.ask(as, query, variables);
    if (answer.errors.length > 0) throw new Error(`The server answered ${answer.text}`);
    return answer.data;
  }

  async createTenant(id: string, tier: "FREE" | "PRO" | "ENTERPRISE"): Promise<void> {
    await this.must("operator", "mutation ($input: CreateTenantInput!) { createTenant(input: $input) { tenant { id } } }", { input: { id, name: `Tenant ${id}`, tier } });
    // It is served at once, in the pool, and moves when its move is taken up.
    const home = tier === "ENTERPRISE" ? "SILO" : "POOL";
    await until(async () => ((await this.untilPlaced(id)) === home ? true : undefined));
  }

  /** Waits until no move of the tenant is under way. */
  async untilPlaced(id: string): Promise<string> {
    return until(async () => {
      const { tenant } = await this.must("operator", "query ($id: ID!) { tenant(id: $id) { placement } }", { id });
      const placement = String(tenant?.["placement"]);
      return placement === "MOVING" ? undefined : placement;
    });
  }

  async untilMoved(moveId: string): Promise<Json> {
    return until(async () => {
      const { placementMove } = await this.must("operator", "query ($id: ID!) { placementMove(id: $id) { phase copied total failure from to } }", { id: moveId });
      const phase = String(placementMove?.["phase"]);
      return phase === "DONE" || phase === "FAILED" ? placementMove : undefined;
    });
  }

  /** Ingests a text and waits until it can be found. */
  async ingest(as: As, title: string, content: string, mediaType = "MARKDOWN", tags: readonly string[] = []): Promise<string> {
    const accepted = await this.must(as, "mutation ($input: IngestDocumentInput!) { ingestDocument(input: $input) { document { id state } } }", { input: { title, content, mediaType, tags } });
    const id = String(accepted["ingestDocument"]?.["document"]?.["id"]);
    await until(async () => {
      const { document } = await this.must(as, "query ($id: ID!) { document(id: $id) { state failure { code message } } }", { id });
      const state = String(document?.["state"]);
      if (state === "FAILED") throw new Error(`Ingestion failed: ${JSON.stringify(document?.["failure"])}`);
      return state === "READY" ? true : undefined;
    });
    return id;
  }
}

/** Polls until there is a value; fails after `msMax`. */
export async function until<T>(look: () => Promise<T | undefined>, msMax = 20_000): Promise<T> {
  const end = Date.now() + msMax;
  for (;;) {
    const value = await look();
    if (value !== undefined) return value;
    if (Date.now() > end) throw new Error(`What was waited for did not happen within ${msMax / 1_000} s`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Any deployment when one is given, in databases of this run alone. */
function deployment(): Record<string, string> {
  const uri = process.env["MONGODB_TEST_URI"];
  return uri === undefined ? {} : { MONGODB_URI: uri, MONGODB_DATABASE: `t${Date.now().toString(36)}` };
}
