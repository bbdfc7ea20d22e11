import { once } from "node:events";
import { expect, test } from "vitest";
import { Deadline } from "../../src/kernel/deadline.js";
import { newId, type AdapterId, type ConversationId } from "../../src/kernel/ids.js";
import type { AnswerEvent, AskInput } from "../../src/orchestrator/answer-event.js";
import { AnswerStreams } from "../../src/orchestrator/answer-streams.js";
import { contextOf, recordingTelemetry } from "../support/tenants.js";

/** Every argument with a value of its own; one that is added is missing here until it is tested. */
const full: Required<AskInput> = { question: "q", conversationId: newId<ConversationId>("conversation"), model: "m", adapterId: newId<AdapterId>("adapter"), maxTokens: 10, cacheSimilarity: 0.9, skipCache: false, idempotencyKey: "key" };
const others: Required<AskInput> = { question: "r", conversationId: newId<ConversationId>("conversation"), model: "n", adapterId: newId<AdapterId>("adapter"), maxTokens: 11, cacheSimilarity: 0.91, skipCache: true, idempotencyKey: "key2" };

/** How many answers are begun for these, all at the same time. */
async function begunFor(asked: readonly { readonly context: ReturnType<typeof contextOf>; readonly input: AskInput }[]): Promise<number> {
  let begun = 0;
  const end = new AbortController();
  async function* answer(): AsyncGenerator<AnswerEvent> {
    begun += 1;
    if (!end.signal.aborted) await once(end.signal, "abort");
    yield { kind: "DELTA", text: "a" };
  }
  const streams = new AnswerStreams({ stream: answer }, { find: () => Promise.resolve(undefined) }, recordingTelemetry());
  const deadline = Deadline.after(5_000);
  const heard = asked.map(async ({ context, input }) => {
    for await (const _ of streams.stream(context, deadline, input, "answer"));
  });
  await new Promise((resolve) => setImmediate(resolve));
  end.abort();
  await Promise.all(heard);
  deadline.dispose();
  return begun;
}

const ann = contextOf("acme", { user: "ann" });

test("the same question under the same key is one answer, whoever's connection asks for it", async () => {
  expect(await begunFor([{ context: ann, input: full }, { context: ann, input: { ...full } }])).toBe(1);
});

test.each(Object.keys(full) as (keyof AskInput)[])("with another %s it is another answer, and so is one without", async (name) => {
  const { [name]: _left, ...without } = full;
  const changed = { ...full, [name]: others[name] };
  const inputs = name === "idempotencyKey" || name === "question" ? [full, changed] : [full, changed, without as AskInput];
  expect(await begunFor(inputs.map((input) => ({ context: ann, input })))).toBe(inputs.length);
});

test("of another user, or another tenant, it is another answer", async () => {
  const contexts = [ann, contextOf("acme", { user: "bob" }), contextOf("globex", { user: "ann" })];
  expect(await begunFor(contexts.map((context) => ({ context, input: full })))).toBe(3);
});
