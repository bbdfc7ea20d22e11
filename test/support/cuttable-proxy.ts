import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";

/** A way to an engine over TCP that can be cut: for what the driver does when its connections end in the middle of something. */
export class CuttableProxy {
  readonly #sockets = new Set<Socket>();
  #downUntil = 0;
  /** Connections that were ended by `cut`. */
  cutSockets = 0;

  private constructor(private readonly server: Server, readonly uri: string) {}

  static async start(engineUri: string): Promise<CuttableProxy> {
    const { hostname, port } = new URL(engineUri);
    const server = createServer();
    await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
    const { port: own } = server.address() as AddressInfo;
    const proxy = new CuttableProxy(server, engineUri.replace(`${hostname}:${port}`, `127.0.0.1:${own}`));
    server.on("connection", (client) => proxy.#join(client, hostname, Number(port)));
    return proxy;
  }

  /** Ends every connection now, without a goodbye, and lets nobody in for `refuseMs`. */
  cut(refuseMs: number): void {
    this.#downUntil = performance.now() + refuseMs;
    this.cutSockets += this.#sockets.size / 2;
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((done) => this.server.close(done));
  }

  #join(client: Socket, host: string, port: number): void {
    if (performance.now() < this.#downUntil) {
      client.resetAndDestroy();
      return;
    }
    const upstream = connect(port, host);
    for (const [one, other] of [[client, upstream], [upstream, client]] as const) {
      this.#sockets.add(one);
      one.setNoDelay(true);
      one.pipe(other);
      // An error is followed by `close`, which ends the other side.
      one.on("error", () => undefined);
      one.on("close", () => {
        this.#sockets.delete(one);
        other.destroy();
      });
    }
  }
}
