import { Agent, request } from "node:http";
import { internal } from "../../src/kernel/errors.js";

export interface Target {
  readonly url: string;
  readonly token: string;
}

/** A loaded machine is slow; a server that has died says nothing for ever. */
const silenceMsMax = 30_000;

/**
 * `requests` posts over `connections` kept connections, each sending its next when its last was
 * answered, until `isOver`. Gives each one's milliseconds. Throws for an answer that `isGood` does not take: an
 * error is quicker than an answer, and would pass for speed.
 */
export async function postLoad(target: Target, body: string, connections: number, requests: number, isGood: (text: string) => boolean, isOver = (): boolean => false): Promise<readonly number[]> {
  const agent = new Agent({ keepAlive: true, maxSockets: connections });
  const tookMs: number[] = [];
  let left = requests;
  const worker = async (): Promise<void> => {
    while (left > 0 && !isOver()) {
      left -= 1;
      const startedAt = performance.now();
      const { status, text } = await post(target, body, agent);
      if (status !== 200 || !isGood(text)) throw internal(`Answered ${status} ${text.slice(0, 300)}`);
      tookMs.push(performance.now() - startedAt);
    }
  };
  await Promise.all(Array.from({ length: connections }, worker)).finally(() => agent.destroy());
  return tookMs;
}

/** One post. Rejects when the connection fails, or nothing comes for 30 s. */
export function post({ url, token }: Target, body: string, agent: Agent): Promise<{ readonly status: number | undefined; readonly text: string }> {
  const headers = { "content-type": "application/json", "content-length": Buffer.byteLength(body), authorization: `Bearer ${token}` };
  return new Promise((resolve, reject) => {
    const outgoing = request(url, { method: "POST", agent, headers, timeout: silenceMsMax }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
      response.on("error", reject);
      response.on("end", () => resolve({ status: response.statusCode, text }));
    });
    outgoing.on("timeout", () => outgoing.destroy(internal(`No answer within ${silenceMsMax} ms`)));
    outgoing.on("error", reject);
    outgoing.end(body);
  });
}
