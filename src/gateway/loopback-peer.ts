import type { IncomingMessage } from "node:http";

const addedByProxies = ["forwarded", "via", "x-real-ip"];

/**
 * Whether the caller is on this machine. Behind a proxy on this machine every peer is; what proxies add
 * tells them apart, and HTTP/1.0, which nginx speaks to its upstream unless told otherwise, and no
 * browser, curl or Prometheus does. A proxy that adds nothing and speaks HTTP/1.1 is not seen.
 */
export function isLoopbackPeer({ headers, socket, httpVersion }: Pick<IncomingMessage, "headers" | "socket" | "httpVersion">): boolean {
  if (httpVersion === "1.0") return false;
  if (Object.keys(headers).some((name) => name.startsWith("x-forwarded-") || addedByProxies.includes(name))) return false;
  const peer = socket.remoteAddress ?? "";
  return peer === "::1" || peer.startsWith("127.") || peer.startsWith("::ffff:127.");
}
