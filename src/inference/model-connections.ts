import { Agent as HttpAgent, request as httpRequest, type ClientRequest } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import type { Duplex } from "node:stream";

/** Kept connections of one endpoint at most; beyond that they are closed after use. */
const idleConnectionsMax = 256;
/** Below the 5 s after which many servers close: a connection closed at the moment of its use costs an attempt. */
const idleMsMax = 4_000;
/** Headers of a response, together. A server that never ends them is cut off here. */
const headerBytesMax = 16_384;

/**
 * The connections to one endpoint. `node:http` and not `fetch`: it tells connecting from waiting, follows
 * no redirect, decodes no content, and costs half the CPU.
 */
export class ModelConnections {
  readonly isTls: boolean;
  readonly #url: URL;
  readonly #agent: HttpAgent;

  /** `baseUrl` up to and with the version. */
  constructor(baseUrl: string) {
    this.#url = new URL(`${baseUrl.replace(/\/+$/u, "")}/chat/completions`);
    this.isTls = this.#url.protocol === "https:";
    this.#agent = new (this.isTls ? HttpsAgent : HttpAgent)({ keepAlive: true, maxFreeSockets: idleConnectionsMax, timeout: idleMsMax });
    closeOnUnaskedData(this.#agent);
  }

  post(body: string, headers: Readonly<Record<string, string>>): ClientRequest {
    const request = (this.isTls ? httpsRequest : httpRequest)(this.#url, {
      method: "POST",
      agent: this.#agent,
      maxHeaderSize: headerBytesMax,
      headers: {
        "content-type": "application/json",
        "content-length": Buffer.byteLength(body),
        accept: "text/event-stream",
        // What a provider compresses nevertheless is refused: a bomb of zeros must not be unpacked here.
        "accept-encoding": "identity",
        ...headers,
      },
    });
    request.end(body);
    return request;
  }

  close(): void {
    this.#agent.destroy();
  }
}

/**
 * Whatever comes on a connection that nobody has asked is the rest of an earlier answer, or was put there:
 * handed to the next caller it would be another tenant's answer. So such a connection is closed.
 */
function closeOnUnaskedData(agent: HttpAgent): void {
  const closing = new WeakMap<Duplex, () => void>();
  agent.on("free", (socket: Duplex) => {
    const onData = (): void => void socket.destroy();
    closing.set(socket, onData);
    socket.on("data", onData);
  });
  const reuse = agent.reuseSocket;
  agent.reuseSocket = (socket, request): void => {
    const onData = closing.get(socket);
    if (onData !== undefined) socket.removeListener("data", onData);
    reuse.call(agent, socket, request);
  };
}
