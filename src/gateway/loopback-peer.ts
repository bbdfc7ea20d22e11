import type { IncomingMessage } from "node:http";

/** Whether the caller is on this machine. Behind a proxy on this machine every peer is; the header a proxy adds tells them apart. */
export function isLoopbackPeer({ headers, socket }: Pick<IncomingMessage, "headers" | "socket">): boolean {
  if (headers["x-forwarded-for"] !== undefined || headers.forwarded !== undefined || headers["x-real-ip"] !== undefined) return false;
  const peer = socket.remoteAddress ?? "";
  return peer === "::1" || peer.startsWith("127.") || peer.startsWith("::ffff:127.");
}
