import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";

/** A way to a store over TCP that can fall silent: connections stay open, and nothing passes until it goes on. */
export class StallingProxy {
  readonly #sockets = new Set<Socket>();
  #isStalled = false;

  private constructor(private readonly server: Server, readonly port: number) {}

  static async start(host: string, port: number): Promise<StallingProxy> {
    const server = createServer();
    await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
    const proxy = new StallingProxy(server, (server.address() as AddressInfo).port);
    server.on("connection", (client) => proxy.#join(client, connect(port, host)));
    return proxy;
  }

  stall(): void {
    this.#isStalled = true;
    for (const socket of this.#sockets) socket.pause();
  }

  goOn(): void {
    this.#isStalled = false;
    for (const socket of this.#sockets) socket.resume();
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((done) => this.server.close(done));
  }

  #join(client: Socket, upstream: Socket): void {
    for (const [one, other] of [[client, upstream], [upstream, client]] as const) {
      this.#sockets.add(one);
      one.setNoDelay(true);
      // By hand: a pipe would resume a socket that was paused to stall it.
      one.on("data", (data) => other.write(data));
      if (this.#isStalled) one.pause();
      one.on("error", () => undefined);
      one.on("close", () => {
        this.#sockets.delete(one);
        other.destroy();
      });
    }
  }
}
