import { createHash } from "node:crypto";

export interface DigestCredential {
  readonly username: string;
  readonly password: string;
}

export interface DigestRequest {
  readonly method: string;
  /** Path and query, as in the request line: it is part of what is signed. */
  readonly uri: string;
  readonly clientNonce: string;
}

/** RFC 7616 section 3.3: no algorithm means MD5. The `-sess` kinds are for proxies and not asked for by Atlas. */
const hashes: Readonly<Record<string, string>> = { md5: "md5", "sha-256": "sha256" };

/**
 * The `Authorization` header that answers a `WWW-Authenticate` header (RFC 7616). Undefined for a
 * challenge of another kind: a password must not be hashed in a way nobody asked for.
 */
export function answerChallenge(header: string, { username, password }: DigestCredential, request: DigestRequest): string | undefined {
  const challenge = parseChallenge(header);
  const { realm, nonce, opaque, algorithm } = challenge;
  const hashName = hashes[(algorithm ?? "MD5").toLowerCase()];
  if (realm === undefined || nonce === undefined || hashName === undefined) return undefined;
  const qop = challenge["qop"]?.split(",").map((option) => option.trim().toLowerCase());
  if (qop !== undefined && !qop.includes("auth")) return undefined;
  const hash = (text: string): string => createHash(hashName).update(text).digest("hex");
  const secret = hash(`${username}:${realm}:${password}`);
  const asked = hash(`${request.method}:${request.uri}`);
  // A fresh nonce is asked for by each request, so its use is always the first.
  const count = "00000001";
  const response = hash(qop === undefined ? `${secret}:${nonce}:${asked}` : `${secret}:${nonce}:${count}:${request.clientNonce}:auth:${asked}`);
  const fields = [
    `username=${quoted(username)}`,
    `realm=${quoted(realm)}`,
    `nonce=${quoted(nonce)}`,
    `uri=${quoted(request.uri)}`,
    `response=${quoted(response)}`,
    ...(algorithm === undefined ? [] : [`algorithm=${algorithm}`]),
    ...(opaque === undefined ? [] : [`opaque=${quoted(opaque)}`]),
    ...(qop === undefined ? [] : [`qop=auth`, `nc=${count}`, `cnonce=${quoted(request.clientNonce)}`]),
  ];
  return `Digest ${fields.join(", ")}`;
}

/** `name=token` and `name="quoted"` pairs, as RFC 9110 section 11.2 has them. */
function parseChallenge(header: string): Readonly<Record<string, string>> {
  const [, parameters] = /^\s*Digest\s+(.*)$/is.exec(header) ?? [];
  const pairs = (parameters ?? "").matchAll(/([a-z-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))/gi);
  return Object.fromEntries([...pairs].map(([, name = "", inQuotes, bare]) => [name.toLowerCase(), inQuotes?.replaceAll(/\\(.)/g, "$1") ?? bare ?? ""]));
}

function quoted(value: string): string {
  return `"${value.replaceAll(/["\\]/g, "\\$&")}"`;
}
