import { isIPv4, isIPv6 } from "node:net";

/** Each costs about 50 KB. A client says who it is within one round trip, so these are many new clients a second. */
const waitingMax = 500;

/** Of one network: behind one address may stand an office, or the proxy of a deployment. */
const waitingPerPeerMax = 100;

/** Twice the longest token, with room for what a client says beside it. A megabyte, as any caller may send later, would be half a gigabyte from all that wait. */
const bytesMax = 16 * 1_024;

/** What of a `WebSocket` is used here. */
export interface WaitingSocket {
  once(event: "close", listener: () => void): unknown;
  terminate(): void;
}

/** What of its connection. */
export interface CountedConnection {
  readonly remoteAddress?: string | undefined;
  on(event: "data", listener: (data: Buffer) => void): unknown;
  off(event: "data", listener: (data: Buffer) => void): unknown;
}

interface Waiting {
  readonly peer: string;
  readonly stopCounting: () => void;
}

/**
 * Sockets that have not said yet who they are. Anybody may open them, so none is ever refused for
 * those that are there: past a bound the oldest goes, which had the longest time to send its token.
 * It is one of the network that holds most, so that a flood drops its own and nobody else's.
 */
export class WaitingSockets {
  readonly #sockets = new Map<WaitingSocket, Waiting>();
  /** Oldest first in each. */
  readonly #byPeer = new Map<string, Set<WaitingSocket>>();

  add(socket: WaitingSocket, connection: CountedConnection): void {
    const peer = networkOf(connection.remoteAddress ?? "");
    if ((this.#byPeer.get(peer)?.size ?? 0) >= waitingPerPeerMax) this.#dropOldest(this.#byPeer.get(peer));
    if (this.#sockets.size >= waitingMax) this.#dropOldest(this.#largest());
    this.#sockets.set(socket, { peer, stopCounting: this.#countBytes(socket, connection) });
    this.#byPeer.set(peer, (this.#byPeer.get(peer) ?? new Set()).add(socket));
    socket.once("close", () => this.remove(socket));
  }

  /** It is known now whose it is. */
  remove(socket: WaitingSocket): void {
    const waiting = this.#sockets.get(socket);
    if (waiting === undefined) return;
    waiting.stopCounting();
    this.#sockets.delete(socket);
    const ofPeer = this.#byPeer.get(waiting.peer);
    ofPeer?.delete(socket);
    if (ofPeer?.size === 0) this.#byPeer.delete(waiting.peer);
  }

  /** On the connection, and not of messages: pieces of one that never ends would be kept until its end. */
  #countBytes(socket: WaitingSocket, connection: CountedConnection): () => void {
    let bytes = 0;
    const onData = (data: Buffer): void => {
      bytes += data.length;
      if (bytes > bytesMax) this.#drop(socket);
    };
    connection.on("data", onData);
    return () => connection.off("data", onData);
  }

  /** Of as many, the one that came first. */
  #largest(): ReadonlySet<WaitingSocket> | undefined {
    let largest: ReadonlySet<WaitingSocket> | undefined;
    for (const ofPeer of this.#byPeer.values()) if (ofPeer.size > (largest?.size ?? 0)) largest = ofPeer;
    return largest;
  }

  #dropOldest(ofPeer: Iterable<WaitingSocket> = []): void {
    for (const oldest of ofPeer) return this.#drop(oldest);
  }

  #drop(socket: WaitingSocket): void {
    this.remove(socket);
    // No close frame: who does not read would keep the socket until it is waited for in vain.
    socket.terminate();
  }
}

/** Whom an address belongs to: IPv6 is given out by /64 at the least, so one caller has as many addresses as it likes. */
export function networkOf(address: string): string {
  const mapped = /^::ffff:(.+)$/iu.exec(address)?.[1];
  if (mapped !== undefined && isIPv4(mapped)) return mapped;
  if (!isIPv6(address)) return address;
  const [head = "", tail] = address.split("::");
  const groups = head.split(":").filter((group) => group !== "");
  const after = tail === undefined || tail === "" ? 0 : tail.split(":").length;
  if (tail !== undefined) groups.push(...Array.from({ length: 8 - groups.length - after }, () => "0"), ...tail.split(":"));
  return `${groups.slice(0, 4).join(":")}::/64`;
}
