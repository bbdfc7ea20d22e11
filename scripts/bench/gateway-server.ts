/** One of the processes of `gateway.bench.ts` and `fairness.bench.ts`: our server, bare Apollo, or the model that both ask. Tells its CPU time when asked. */
import { ApolloServer } from "@apollo/server";
import { startStandaloneServer } from "@apollo/server/standalone";
import { startBenchApp } from "./bench-app.js";
import { startStubModel } from "./stub-model.js";
import type { GatewaySystem } from "./gateway-messages.js";

const [system, modelUrl = "", slots = "8"] = process.argv.slice(2) as [GatewaySystem, string?, string?];

/** The peers' schema: what our query reads. */
const typeDefs = `
  scalar SafeInt
  input AskInput { question: String! }
  type Query { viewer: String }
  type Mutation { ask(input: AskInput!): AskResult }
  union AskResult = Answer | Refusal
  type Answer { text: String! usage: AnswerUsage! }
  type AnswerUsage { promptTokens: Int! completionTokens: Int! }
  type Refusal { code: String! }
`;

const ready = await starts(system);
// Gone with its parent, however that ended: a server left behind would take CPU from the next run.
process.on("disconnect", () => process.exit());
process.on("message", () => process.send?.(process.cpuUsage()));
process.send?.(ready);

async function starts(which: GatewaySystem): Promise<{ url: string; token: string; dataDir?: string; tokens?: object }> {
  if (which === "model") return { ...(await startStubModel(Number(modelUrl))), token: "none" };
  if (which === "apollo") return startApollo(askWhole);
  if (which === "apollo streaming") return startApollo(askStreaming);
  const app = await startBenchApp(modelUrl, ["acme", "globex"], Number(slots));
  return { ...app, token: app.tokens["acme"] ?? "" };
}

interface Completion {
  readonly text: string;
  readonly usage: { readonly promptTokens: number; readonly completionTokens: number };
}

async function startApollo(ask: (question: string) => Promise<Completion>): Promise<{ url: string; token: string }> {
  const resolvers = { Mutation: { ask: async (_parent: unknown, { input }: { input: { question: string } }) => ({ __typename: "Answer", ...(await ask(input.question)) }) } };
  const { url } = await startStandaloneServer(new ApolloServer({ typeDefs, resolvers }), { listen: { host: "127.0.0.1", port: 0 } });
  return { url, token: "none" };
}

function call(question: string, stream: boolean): Promise<Response> {
  const body = { model: "bench-model", messages: [{ role: "user", content: question }], max_tokens: 512, ...(stream ? { stream, stream_options: { include_usage: true } } : {}) };
  return fetch(`${modelUrl}/chat/completions`, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
}

interface Usage {
  readonly prompt_tokens: number;
  readonly completion_tokens: number;
}

async function askWhole(question: string): Promise<Completion> {
  const { choices: [choice], usage } = (await (await call(question, false)).json()) as { choices: [{ message: { content: string } }]; usage: Usage };
  return { text: choice.message.content, usage: { promptTokens: usage.prompt_tokens, completionTokens: usage.completion_tokens } };
}

/** The least that a client of a stream can do: no limit, no check, no time-out. */
async function askStreaming(question: string): Promise<Completion> {
  let [text, rest, used] = ["", "", { prompt_tokens: 0, completion_tokens: 0 }];
  const decoder = new TextDecoder();
  for await (const part of (await call(question, true)).body ?? []) {
    const lines = (rest + decoder.decode(part as Uint8Array, { stream: true })).split("\n\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      if (line === "data: [DONE]") continue;
      const { choices, usage } = JSON.parse(line.slice("data: ".length)) as { choices: { delta: { content?: string } }[]; usage?: Usage };
      text += choices[0]?.delta.content ?? "";
      used = usage ?? used;
    }
  }
  return { text, usage: { promptTokens: used.prompt_tokens, completionTokens: used.completion_tokens } };
}
