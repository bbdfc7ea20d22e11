import type { IncomingMessage, ServerResponse } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { forbidden } from "../kernel/errors.js";
import { authenticate } from "./authenticate.js";
import { isLoopbackPeer } from "./loopback-peer.js";
import type { TokenVerifier } from "./token-verifier.js";

export interface MetricsSource {
  metrics(): Promise<{ readonly text: string; readonly contentType: string }>;
}

/** Probes give up after a second or so; an answer later than that is none. */
const readinessMsMax = 900;

/** `/health/live`, `/health/ready`, `/metrics`. */
export class Health {
  #draining = false;

  constructor(
    /** Rejects while the server cannot serve, for instance when its database does not answer. */
    private readonly assertReady: () => Promise<void>,
    private readonly source: MetricsSource,
    private readonly verifier: TokenVerifier,
  ) {}

  startDraining(): void {
    this.#draining = true;
  }

  /** False for a path that is none of these. */
  async serve(path: string, request: IncomingMessage, response: ServerResponse): Promise<boolean> {
    if (path === "/health/live") answer(response, 200, "live");
    else if (path === "/health/ready") await this.#serveReadiness(response);
    else if (path === "/metrics") await this.#serveMetrics(request, response);
    else return false;
    return true;
  }

  async #serveReadiness(response: ServerResponse): Promise<void> {
    const ready = !this.#draining && (await this.#isReady());
    answer(response, ready ? 200 : 503, ready ? "ready" : this.#draining ? "draining" : "not ready");
  }

  /** A failing probe is the answer itself; whoever fails it has logged why. */
  async #isReady(): Promise<boolean> {
    const timeout = new AbortController();
    try {
      return await Promise.race([
        this.assertReady().then(() => true, () => false),
        sleep(readinessMsMax, false, { signal: timeout.signal }).catch(() => false),
      ]);
    } finally {
      timeout.abort();
    }
  }

  async #serveMetrics(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (!isLoopbackPeer(request)) {
      const caller = await authenticate(request.headers.authorization, this.verifier);
      if (caller.kind !== "OPERATOR") throw forbidden("Metrics are for operators");
    }
    const { text, contentType } = await this.source.metrics();
    response.writeHead(200, { "content-type": contentType, "cache-control": "no-store" }).end(text);
  }
}

function answer(response: ServerResponse, status: number, word: string): void {
  response.writeHead(status, { "content-type": "text/plain; charset=utf-8", "cache-control": "no-store" }).end(`${word}\n`);
}
