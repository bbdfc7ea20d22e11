import type { WebSocket } from "ws";

/** Each costs about 50 KB. A client says who it is within one round trip, so these are many new clients a second. */
const waitingMax = 500;

/** Of one address: behind one address may stand an office, or the proxy of a deployment. */
const waitingPerPeerMax = 100;

/**
 * Sockets that have not said yet who they are. Anybody may open them, so none is ever refused for
 * those that are there: past a bound the oldest goes, which had the longest time to send its token.
 * A flood from one address drops its own before it comes near anybody else's.
 */
export class WaitingSockets {
  /** Oldest first, by peer address. */
  readonly #peers = new Map<WebSocket, string>();
  readonly #byPeer = new Map<string, Set<WebSocket>>();

  add(socket: WebSocket, peer: string): void {
    const ofPeer = this.#byPeer.get(peer) ?? new Set();
    this.#byPeer.set(peer, ofPeer);
    if (ofPeer.size >= waitingPerPeerMax) this.#drop(ofPeer);
    if (this.#peers.size >= waitingMax) this.#drop(this.#peers.keys());
    this.#peers.set(socket, peer);
    // The last drop may have emptied this peer's set, and with that have taken it away.
    this.#byPeer.set(peer, ofPeer.add(socket));
    socket.once("close", () => this.remove(socket));
  }

  /** It is known now whose it is. */
  remove(socket: WebSocket): void {
    const peer = this.#peers.get(socket);
    if (peer === undefined) return;
    this.#peers.delete(socket);
    const ofPeer = this.#byPeer.get(peer);
    ofPeer?.delete(socket);
    if (ofPeer?.size === 0) this.#byPeer.delete(peer);
  }

  #drop(oldestFirst: Iterable<WebSocket>): void {
    for (const oldest of oldestFirst) {
      this.remove(oldest);
      // No close frame: who does not read would keep the socket until it is waited for in vain.
      oldest.terminate();
      return;
    }
  }
}
