import { Agent, request } from "node:http";
import { internal } from "../../src/kernel/errors.js";
import { median } from "./bench-result.js";
import type { Target } from "./post-load.js";

const silenceMsMax = 30_000;
const query = "subscription ($key: String!, $q: String!) { answer(input: { question: $q, idempotencyKey: $key }) { __typename ... on AnswerDelta { text } ... on Refusal { code } } }";
const question = "How long is the notice period?";

export interface FirstToken {
  /** From the request's first byte to the first word of the answer, medians, in ms. */
  readonly throughUsMs: number;
  readonly directMs: number;
}

/** One question after another over kept connections, by turns through our `answer` subscription over SSE and straight to the model. */
export async function measureFirstToken(model: Target, server: Target, questions: number): Promise<FirstToken> {
  const agent = new Agent({ keepAlive: true });
  const [through, direct]: [number[], number[]] = [[], []];
  const chat = JSON.stringify({ model: "bench-model", stream: true, stream_options: { include_usage: true }, max_tokens: 512, messages: [{ role: "user", content: question }] });
  const asked = (index: number): string => JSON.stringify({ query, variables: { q: question, key: `first-token-${index}` } });
  const unmeasured = Math.ceil(questions / 4);
  for (let index = -unmeasured; index < questions; index += 1) {
    const ours = await firstWord(server, "", asked(index), /"AnswerDelta"/, agent);
    const theirs = await firstWord(model, "/chat/completions", chat, /"content":"[^"]/, agent);
    if (index < 0) continue;
    through.push(ours);
    direct.push(theirs);
  }
  agent.destroy();
  return { throughUsMs: median(through), directMs: median(direct) };
}

/** Resolves when the stream has ended, so that the next question meets an idle server. Rejects when no word came. */
function firstWord({ url, token }: Target, path: string, body: string, word: RegExp, agent: Agent): Promise<number> {
  const headers = { "content-type": "application/json", accept: "text/event-stream", "content-length": Buffer.byteLength(body), authorization: `Bearer ${token}` };
  return new Promise((resolve, reject) => {
    const startedAt = performance.now();
    const outgoing = request(`${url}${path}`, { method: "POST", agent, headers, timeout: silenceMsMax }, (response) => {
      let [text, ms]: [string, number | undefined] = ["", undefined];
      response.setEncoding("utf8").on("data", (chunk: string) => {
        text += chunk;
        if (ms === undefined && word.test(text)) ms = performance.now() - startedAt;
      });
      response.on("error", reject);
      response.on("end", () => (ms === undefined ? reject(internal(`No word came: ${response.statusCode} ${text.slice(0, 300)}`)) : resolve(ms)));
    });
    outgoing.on("timeout", () => outgoing.destroy(internal(`No answer within ${silenceMsMax} ms`)));
    outgoing.on("error", reject);
    outgoing.end(body);
  });
}
