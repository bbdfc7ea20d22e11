import { generateKeyPair, exportJWK, SignJWT, type CryptoKey, type JWTPayload } from "jose";
import type { AlarmName, Telemetry, TelemetryFields } from "../../src/kernel/telemetry.js";
import { refusal } from "../../src/kernel/refusal.js";
import { createGateway, type Gateway, type GatewayParts } from "../../src/gateway/create-gateway.js";
import type { RequestAdmission } from "../../src/gateway/operation-gate.js";
import { FakeServices, testPolicies } from "../support/fake-services.js";

export const rules = { issuer: "https://issuer.test", audience: "bulkhead", operatorAudience: "bulkhead-operator" };

export class RecordingTelemetry implements Telemetry {
  readonly alarms: { name: AlarmName; fields: TelemetryFields }[] = [];
  readonly logs: { level: string; message: string; fields: TelemetryFields | undefined }[] = [];
  log(level: "debug" | "info" | "warn" | "error", message: string, fields?: TelemetryFields): void {
    this.logs.push({ level, message, fields });
  }
  alarm(name: AlarmName, fields: TelemetryFields): void {
    this.alarms.push({ name, fields });
  }
  count(): void {}
  observe(): void {}
}

/** Admits `limit` requests for the life of the test, whole documents alone, and remembers each price. */
export class FakeAdmission implements RequestAdmission {
  readonly prices: number[] = [];
  #used = 0;
  constructor(public limit = 10_000) {}
  admitRequests(_context: unknown, price: number): ReturnType<RequestAdmission["admitRequests"]> {
    this.prices.push(price);
    if (this.#used + price > this.limit) return Promise.resolve(refusal("RATE_LIMITED", "Too many requests", { retryAfterMs: 2_500, limit: "requestsPerMinute" }));
    this.#used += price;
    return Promise.resolve({ kind: "ADMITTED", limit: this.limit, remaining: this.limit - this.#used, resetsAt: new Date(Date.now() + 30_000) });
  }
}

export interface Harness {
  readonly url: string;
  readonly gateway: Gateway;
  readonly services: FakeServices;
  readonly telemetry: RecordingTelemetry;
  readonly admission: FakeAdmission;
  readonly privateKey: CryptoKey;
  token(claims?: JWTPayload, options?: { header?: Record<string, unknown>; key?: CryptoKey | Uint8Array; expiresIn?: number }): Promise<string>;
  member(tenant?: string, user?: string): Promise<string>;
  admin(tenant?: string): Promise<string>;
  operator(): Promise<string>;
  /** Posts a document; the token may be left out on purpose. */
  query(query: string, options?: { token?: string; variables?: object; headers?: Record<string, string>; body?: string }): Promise<Answer>;
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly data: Record<string, unknown> | null | undefined;
  readonly errors: readonly { message: string; path?: string[]; extensions: Record<string, unknown> }[];
  readonly text: string;
}

export async function startHarness(overrides: Partial<GatewayParts> = {}): Promise<Harness> {
  const { publicKey, privateKey } = await generateKeyPair("ES256", { extractable: true });
  const publicJwk = { ...(await exportJWK(publicKey)), kid: "k1", alg: "ES256" };
  const services = new FakeServices();
  services.addTenant("acme");
  services.addTenant("globex", "ENTERPRISE");
  const telemetry = new RecordingTelemetry();
  const admission = new FakeAdmission();
  const gateway = await createGateway({
    production: false, corsOrigins: ["https://app.example.com"], tokens: rules, keys: { kind: "DEVELOPMENT", publicJwk }, services, admission,
    directory: { find: (id) => Promise.resolve(services.records.get(id)) }, policies: testPolicies, telemetry,
    metrics: { metrics: () => Promise.resolve({ text: "up 1\n", contentType: "text/plain" }) }, assertReady: () => Promise.resolve(), firstQuery: "{ viewer { user } }", consoleFolder: "/nonexistent/console",
    ...overrides,
  });
  const { url } = await gateway.listen("127.0.0.1", 0);
  const token: Harness["token"] = (claims = {}, { header = {}, key = privateKey, expiresIn = 600 } = {}) => {
    const now = Math.floor(Date.now() / 1_000);
    const payload = { iss: rules.issuer, aud: rules.audience, sub: "ann", tenant_id: "acme", roles: ["member"], iat: now, exp: now + expiresIn, jti: "j", ...claims };
    return new SignJWT(payload).setProtectedHeader({ alg: "ES256", kid: "k1", typ: "JWT", ...header }).sign(key);
  };
  const query: Harness["query"] = async (text, { token: bearer, variables, headers = {}, body } = {}) => {
    const response = await fetch(`${url}/graphql`, {
      method: "POST",
      headers: { "content-type": "application/json", ...(bearer === undefined ? {} : { authorization: `Bearer ${bearer}` }), ...headers },
      body: body ?? JSON.stringify({ query: text, ...(variables === undefined ? {} : { variables }) }),
    });
    const raw = await response.text();
    const parsed = (raw.startsWith("{") ? JSON.parse(raw) : {}) as { data?: Record<string, unknown>; errors?: Answer["errors"] };
    return { status: response.status, headers: response.headers, data: parsed.data, errors: parsed.errors ?? [], text: raw };
  };
  return {
    url, gateway, services, telemetry, admission, privateKey, token, query,
    member: (tenant = "acme", user = "ann") => token({ tenant_id: tenant, sub: user }),
    admin: (tenant = "acme") => token({ tenant_id: tenant, roles: ["admin"] }),
    operator: () => token({ aud: rules.operatorAudience, tenant_id: undefined, roles: ["operator"], sub: "op" }),
  };
}

export function codeOf(answer: Answer): unknown {
  return answer.errors[0]?.extensions.code;
}
