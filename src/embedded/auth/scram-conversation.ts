/*
 * The server's side of one SCRAM-SHA-256 conversation: two messages in, two out, then it is spent.
 * Before it: sasl.ts; after it: user-directory.ts, which knows the keys. Specs: RFC 5802, RFC 7677.
 */
import { randomBytes, timingSafeEqual } from "node:crypto";
import { EngineError } from "../engine-error.js";
import { hmac, sha256, type ScramCredentials } from "./scram-credentials.js";

/** What is needed of a user; of one that does not exist, something that looks and costs the same. */
export interface ScramUser {
  readonly salt: Buffer;
  readonly iterations: number;
  readonly known: boolean;
  readonly credentials: Promise<ScramCredentials>;
}

/** As many bytes as MongoDB and its drivers use. */
const NONCE_BYTES = 24;

/** The one answer to whatever goes wrong, so that nothing tells a wrong name from a wrong password. */
export function authenticationFailed(): EngineError {
  return new EngineError(18, "AuthenticationFailed", "Authentication failed.");
}

interface ClientFirst {
  gs2Header: string;
  bare: string;
  user: string;
  nonce: string;
}

export class ScramConversation {
  readonly serverFirst: string;
  readonly user: string;
  readonly #first: ClientFirst;
  readonly #nonce: string;
  readonly #scram: ScramUser;

  /** `ownNonce` is fresh every time, so that a recorded proof fits no other conversation. Throws EngineError 18 AuthenticationFailed. */
  constructor(payload: string, lookup: (user: string) => ScramUser, ownNonce = randomBytes(NONCE_BYTES).toString("base64")) {
    this.#first = parseClientFirst(payload);
    this.user = this.#first.user;
    this.#scram = lookup(this.user);
    this.#nonce = `${this.#first.nonce}${ownNonce}`;
    this.serverFirst = `r=${this.#nonce},s=${this.#scram.salt.toString("base64")},i=${this.#scram.iterations}`;
  }

  /** The server-final-message, which proves to the client that this side knows the user too. Throws EngineError 18. */
  async finish(payload: string): Promise<string> {
    const { storedKey, serverKey } = await this.#scram.credentials;
    const { withoutProof, proof } = this.#parseClientFinal(payload);
    const authMessage = `${this.#first.bare},${this.serverFirst},${withoutProof}`;
    const clientKey = xor(proof, hmac(storedKey, authMessage));
    const matches = timingSafeEqual(sha256(clientKey), storedKey);
    if (!matches || !this.#scram.known) throw authenticationFailed();
    return `v=${hmac(serverKey, authMessage).toString("base64")}`;
  }

  #parseClientFinal(payload: string): { withoutProof: string; proof: Buffer } {
    const parsed = /^(c=([^,]*),r=([^,]*)),p=([A-Za-z0-9+/]{43}=)$/.exec(payload);
    const [, withoutProof = "", binding, nonce, proof = ""] = parsed ?? [];
    // The header said again under the proof: nobody in between turned "y" or "p" into "n" (RFC 5802 section 6).
    const bound = Buffer.from(this.#first.gs2Header, "utf8").toString("base64");
    if (!parsed || binding !== bound || nonce !== this.#nonce) throw authenticationFailed();
    return { withoutProof, proof: Buffer.from(proof, "base64") };
  }
}

/** `n,,n=user,r=nonce`. Channel binding (`p=`), another authorization identity and extensions (`m=`) are refused. */
function parseClientFirst(payload: string): ClientFirst {
  const parsed = /^([ny],(?:a=([^,]+))?,)(n=([^,]+),r=([\x21-\x2b\x2d-\x7e]+))$/.exec(payload);
  const [, gs2Header = "", authorization, bare = "", name = "", nonce = ""] = parsed ?? [];
  if (!parsed || (authorization !== undefined && authorization !== name)) throw authenticationFailed();
  return { gs2Header, bare, user: unescapeName(name), nonce };
}

/** `=2C` and `=3D` stand for comma and equals sign; any other use of `=` is malformed (RFC 5802 section 5.1). */
function unescapeName(name: string): string {
  if (/=(?!2C|3D)/.test(name)) throw authenticationFailed();
  return name.replaceAll("=2C", ",").replaceAll("=3D", "=");
}

function xor(a: Buffer, b: Buffer): Buffer {
  return Buffer.from(a.map((byte, at) => byte ^ (b[at] ?? 0)));
}
