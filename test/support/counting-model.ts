import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

/** An OpenAI-compatible model that takes its time and counts who is being answered: what a provider sees of all servers together. */
export interface CountingModel {
  readonly environment: Readonly<Record<string, string>>;
  /** Answers under way at once, at most, since the start. */
  readonly peak: number;
  readonly running: number;
  /** Answers begun so far for questions that hold this word. */
  begun(word: string): number;
  close(): Promise<void>;
}

const frames = [{ choices: [{ index: 0, delta: { content: "It is so [1]." }, finish_reason: null }] }, { choices: [{ index: 0, delta: {}, finish_reason: "stop" }] }, { choices: [], usage: { prompt_tokens: 100, completion_tokens: 5 } }];
const body = frames.map((frame) => `data: ${JSON.stringify(frame)}\n\n`).join("");

export async function startCountingModel(holdMs: number): Promise<CountingModel> {
  const prompts: string[] = [];
  let [running, peak] = [0, 0];
  const server = createServer((request, response) => {
    let text = "";
    request.setEncoding("utf8");
    request.on("data", (part: string) => (text += part));
    request.on("end", () => {
      prompts.push(text);
      running += 1;
      peak = Math.max(peak, running);
      void sleep(holdMs).then(() => {
        // Counted out before its end can be seen: the server behind it starts its next call then.
        running -= 1;
        response.writeHead(200, { "content-type": "text/event-stream" }).end(`${body}data: [DONE]\n\n`);
      });
    });
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const { port } = server.address() as AddressInfo;
  return {
    environment: { MODEL_BASE_URL: `http://127.0.0.1:${port}/v1`, MODEL_API_KEY: "unused", MODEL_NAME: "gpt-4o-mini" },
    get peak() {
      return peak;
    },
    get running() {
      return running;
    },
    begun: (word) => prompts.filter((prompt) => prompt.includes(word)).length,
    close: async () => {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    },
  };
}
