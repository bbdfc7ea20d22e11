/** What a token says of itself. Read for show alone: the server verifies it, and decides. */
export interface TokenClaims {
  readonly kind: "TENANT" | "OPERATOR";
  readonly user: string;
  readonly tenantId?: string;
  /** Unix time in ms. */
  readonly expiresAt: number;
}

/** Gone with the tab: a token in localStorage would lie there for whoever opens the browser next. */
const storageKey = "bulkhead.token";

export const storedToken = {
  read: (): string | undefined => sessionStorage.getItem(storageKey) ?? undefined,
  write: (token: string): void => sessionStorage.setItem(storageKey, token),
  clear: (): void => sessionStorage.removeItem(storageKey),
};

/** Undefined for what is no token: three segments of base64url, the second of them JSON with an expiry. */
export function readClaims(token: string): TokenClaims | undefined {
  const payload = /^[\w-]+\.([\w-]+)\.[\w-]+$/.exec(token)?.[1];
  if (payload === undefined) return undefined;
  try {
    const bytes = Uint8Array.from(atob(payload.replaceAll("-", "+").replaceAll("_", "/")), (letter) => letter.charCodeAt(0));
    const claims = JSON.parse(new TextDecoder().decode(bytes)) as Readonly<Record<string, unknown>>;
    const { exp, sub, tenant_id: tenantId } = claims;
    if (typeof exp !== "number" || typeof sub !== "string") return undefined;
    return { kind: typeof tenantId === "string" ? "TENANT" : "OPERATOR", user: sub, tenantId: typeof tenantId === "string" ? tenantId : undefined, expiresAt: exp * 1_000 };
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof DOMException) return undefined;
    throw error;
  }
}
