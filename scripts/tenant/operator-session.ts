/** How an operator's shell comes to a running server: its address, a development token, and one line for what went wrong. */
import type { Config } from "../../src/config.js";
import { loadOrCreateDevelopmentKey, signDevelopmentToken } from "../../src/gateway/development-key.js";
import { badUserInput, BulkheadError } from "../../src/kernel/errors.js";

/** Outlives the longest move a person watches. */
const tokenSeconds = 24 * 60 * 60;

export function urlOf(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol)) throw badUserInput("--url", JSON.stringify(text), "an http or https URL");
  return url.origin;
}

export async function developmentToken(config: Config): Promise<string> {
  if (config.production || config.jwt.jwksUri !== undefined) throw badUserInput("--token", "nothing", "an operator's token of your issuer, since JWKS_URI is set");
  const { issuer, operatorAudience } = config.jwt;
  const subject = { kind: "OPERATOR" } as const;
  return signDevelopmentToken(await loadOrCreateDevelopmentKey(config.dataDir), { issuer, audience: operatorAudience, ttlSeconds: tokenSeconds, userId: "operator", subject });
}

export function lineOf(error: unknown): string {
  if (error instanceof BulkheadError) {
    // A key that the server does not know is nearly always the key of another folder.
    const hint = error.code === "UNAUTHENTICATED" ? ": is DATA_DIR the folder that the server uses?" : "";
    return `${error.code}: ${error.message}${hint}`;
  }
  return error instanceof TypeError && "code" in error ? error.message : String(error);
}
