/**
 * The part of the Atlas Administration API v2 that makes database users, over HTTP digest
 * authentication. Knows no tenant; `silos/atlas-users.ts` comes before it.
 * https://www.mongodb.com/docs/api/doc/atlas-admin-api-v2/operation/operation-creategroupdatabaseuser
 */
import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { serviceUnavailable, type BulkheadError } from "../../kernel/errors.js";
import { answerChallenge } from "./digest-auth.js";

export interface AtlasApiOptions {
  readonly publicKey: string;
  readonly privateKey: string;
  readonly projectId: string;
  readonly baseUrl: string;
  /** Tests shorten the waits. */
  readonly requestMsMax?: number;
  readonly giveUpMs?: number;
  readonly pauseMsMin?: number;
}

export interface AtlasAnswer {
  readonly status: number;
  readonly body: unknown;
}

type Method = "GET" | "POST" | "PATCH" | "DELETE";

/** The version of the resources that the bodies here are written in; Atlas keeps serving it. */
const mediaType = "application/vnd.atlas.2024-08-05+json";
/** One answer of Atlas takes 0.2 to 2 s. */
const requestMsMaxDefault = 15_000;
/** Atlas counts requests per minute: its window passes within this. */
const giveUpMsDefault = 90_000;
const pauseMsMinDefault = 500;
const pauseMsMax = 10_000;
const bodyCharsMax = 4_000_000;

export class AtlasApi {
  constructor(private readonly options: AtlasApiOptions) {}

  get projectId(): string {
    return this.options.projectId;
  }

  /**
   * Asks again after a refusal for now (429 with its `Retry-After`, 5xx, a broken or silent
   * connection), so what is asked for must bear repetition. Answers any 2xx, 404 and 409. Throws
   * `SERVICE_UNAVAILABLE`, without a word of the request: it holds a password.
   */
  async ask(method: Method, path: string, body?: unknown): Promise<AtlasAnswer> {
    const endsAt = performance.now() + (this.options.giveUpMs ?? giveUpMsDefault);
    const pauseMsMin = this.options.pauseMsMin ?? pauseMsMinDefault;
    for (let pauseMs = pauseMsMin; ; pauseMs = Math.min(pauseMsMax, pauseMs * 2)) {
      const tried = await this.#tryOnce(method, `/api/atlas/v2/groups/${this.options.projectId}${path}`, body);
      if ("answer" in tried) return tried.answer;
      const waitMs = Math.max(pauseMs, tried.retryAfterMs);
      if (performance.now() + waitMs >= endsAt) throw unavailable(method, tried.why);
      await sleep(waitMs);
    }
  }

  async #tryOnce(method: Method, uri: string, body: unknown): Promise<{ answer: AtlasAnswer } | { retryAfterMs: number; why: string }> {
    let response: Response;
    try {
      response = await this.#authenticated(method, uri, body);
    } catch (error) {
      // What fetch throws names hosts and system codes, never headers or the body.
      return { retryAfterMs: 0, why: error instanceof Error ? error.name : "a broken connection" };
    }
    const { status } = response;
    const parsed = await bodyOf(response);
    if (response.ok || status === 404 || status === 409) return { answer: { status, body: parsed } };
    const why = `${status} ${errorCodeOf(parsed)}`.trim();
    if (status === 429 || status >= 500) return { retryAfterMs: retryAfterMs(response), why };
    throw unavailable(method, why);
  }

  /** The challenge is fetched without the body: a password goes out once, to someone who is to have it. */
  async #authenticated(method: Method, uri: string, body: unknown): Promise<Response> {
    const challenged = await this.#send(method, uri, {});
    const header = challenged.headers.get("www-authenticate");
    // Whoever serves without asking who we are is not Atlas, and has seen no body.
    if (challenged.ok) return new Response(undefined, { status: 401 });
    if (challenged.status !== 401 || header === null) return challenged;
    await challenged.body?.cancel();
    const { publicKey, privateKey } = this.options;
    const authorization = answerChallenge(header, { username: publicKey, password: privateKey }, { method, uri, clientNonce: randomBytes(16).toString("hex") });
    if (authorization === undefined) return new Response(undefined, { status: 401 });
    return this.#send(method, uri, { authorization }, body);
  }

  #send(method: Method, uri: string, headers: Record<string, string>, body?: unknown): Promise<Response> {
    return fetch(new URL(uri, this.options.baseUrl), {
      method,
      headers: { accept: mediaType, ...(body === undefined ? {} : { "content-type": mediaType }), ...headers },
      // A redirect would carry the digest, or a password, to an address nobody configured.
      redirect: "error",
      signal: AbortSignal.timeout(this.options.requestMsMax ?? requestMsMaxDefault),
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  }
}

async function bodyOf(response: Response): Promise<unknown> {
  try {
    const text = await response.text();
    return text.length > bodyCharsMax ? undefined : JSON.parse(text);
  } catch {
    // 204 has none, and a proxy's 502 is a page: the status says what there is to say.
    return undefined;
  }
}

/** Atlas's stable name for an error, such as `USER_ALREADY_EXISTS`. Its `detail` may quote what was sent. */
function errorCodeOf(body: unknown): string {
  const code = typeof body === "object" && body !== null && "errorCode" in body ? body.errorCode : undefined;
  return typeof code === "string" && /^[A-Z0-9_]{1,60}$/.test(code) ? code : "";
}

/** RFC 9110 section 10.2.3: seconds, or a date. */
function retryAfterMs(response: Response): number {
  const header = response.headers.get("retry-after");
  if (header === null) return 0;
  const seconds = Number(header);
  return Math.max(0, Number.isFinite(seconds) ? seconds * 1_000 : Date.parse(header) - Date.now() || 0);
}

function unavailable(method: Method, why: string): BulkheadError {
  const hint = /^40[13]/.test(why) ? ", expected an ATLAS_API_KEY that may manage database users of ATLAS_PROJECT_ID from this address" : "";
  return serviceUnavailable(`The Atlas Admin API did not serve ${method}: got ${why}${hint}`, 5_000);
}
