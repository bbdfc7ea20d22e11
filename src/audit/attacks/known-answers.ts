/** What another tenant asked, word for word, and what it keeps, word for word: caches, replays and searches must not know it. */
import type { Probe, ProbeTenant } from "../probe.js";
import { comesThrough } from "./compare.js";
import type { ProbeOperation } from "../schema/probe-documents.js";

const streamMsMax = 20_000;
const eventsMax = 100;
const answerTokens = 64;
/** A second try might be given what the first one left in the cache: the asker's own, and no leak. */
const once = 1;

const askText = "mutation ($input: AskInput!) { ask(input: $input) { __typename ... on Answer { text cached replayed citations { snippet document { id title } } conversation { id title } } ... on Refusal { code message } } }";
const streamText = "subscription ($input: AskInput!) { answer(input: $input) { __typename ... on AnswerDelta { text } ... on Answer { text cached replayed citations { snippet document { id title } } } ... on Refusal { code } ... on AnswerFailed { code } } }";

/** The victim's question, for whose answer the cache holds an entry of the victim's. */
export async function askAsTheVictim(probe: Probe, attacker: ProbeTenant, victim: ProbeTenant): Promise<void> {
  const operation = ask(probe, { question: victim.questions.cached, maxTokens: answerTokens });
  const answers = await comesThrough(probe, "Mutation.ask", async () => [await probe.run(attacker.caller, operation, "semantic cache", "Mutation.ask(input.question)")], once);
  if (answers === false) return;
  probe.evidence.probed("semantic cache");
  probe.evidence.covered("Mutation.ask");
  if (answers.some(({ text }) => text.includes('"cached":true'))) probe.evidence.leaked("semantic cache", "Mutation.ask(input.question)", `A question that ${victim.caller.tenantId} alone has asked was answered from a cache`);
}

/** The victim's key with the victim's arguments, over both transports: a replay would hand over the answer. */
export async function resumeAsTheVictim(probe: Probe, attacker: ProbeTenant, victim: ProbeTenant): Promise<void> {
  const input = { question: victim.questions.keyed, idempotencyKey: victim.words.key, maxTokens: answerTokens };
  const answers = await comesThrough(probe, "Mutation.ask", async () => [await probe.run(attacker.caller, ask(probe, input), "idempotency", "Mutation.ask(input.idempotencyKey)")], once);
  const events = await comesThrough(probe, "Subscription.answer", () => probe.stream(attacker.caller, { document: probe.documents.parse(streamText), variables: { input: { ...input, idempotencyKey: `${victim.words.key} streamed`, question: victim.questions.cached } } }, eventsMax, streamMsMax, "idempotency", "Subscription.answer(input.idempotencyKey)"), once);
  if (answers === false || events === false) return;
  probe.evidence.probed("idempotency", 2);
  // A second attempt of the same attacker would be given its own first answer again; the first must be new.
  if (answers.some(({ text }) => text.includes('"replayed":true'))) probe.evidence.leaked("idempotency", "Mutation.ask(input.idempotencyKey)", `${attacker.caller.tenantId} was given an answer again that it never had`);
  for (const event of events) if (event.text.includes('"replayed":true')) probe.evidence.leaked("idempotency", "Subscription.answer(input.idempotencyKey)", `${attacker.caller.tenantId} was given an answer again that it never had`);
}

/** The text of the victim's passage as the query: nothing is nearer to it, in words or by meaning. */
export async function searchAsTheVictim(probe: Probe, attacker: ProbeTenant, victim: ProbeTenant, mode: "VECTOR" | "TEXT" | "HYBRID"): Promise<void> {
  const query = `The keyword of the vault is ${victim.words.passage}.`;
  const text = "query ($query: String!, $mode: SearchMode) { search(input: { query: $query, mode: $mode, first: 50 }) { hits { chunkId headings snippet document { id title tags } } } }";
  const answers = await comesThrough(probe, "Query.search", async () => [await probe.run(attacker.caller, { document: probe.documents.parse(text), variables: { query, mode } }, "passages", `Query.search(${mode})`)]);
  if (answers === false) return;
  probe.evidence.probed("passages");
  for (const id of victim.ids.document) if (answers.some((answer) => answer.text.includes(id))) probe.evidence.leaked("passages", `Query.search(${mode})`, `${attacker.caller.tenantId} was shown a document of ${victim.caller.tenantId}`);
}

function ask(probe: Probe, input: Readonly<Record<string, unknown>>): ProbeOperation {
  return { document: probe.documents.parse(askText), variables: { input } };
}
