/**
 * Gives a probe tenant something to lose: a canary in every place where a tenant has data, put there
 * the way its users would, and found again by the same way. What its owner does not find is missing
 * from `recall`: a server that denies everything leaks nothing and passes no audit.
 */
import type { TenantId } from "../kernel/ids.js";
import { callerOf, words, type Probe, type ProbeTenant, type Word } from "./probe.js";
import type { ProbeAnswer, ProbeCaller } from "./probe-executor.js";

/** Ingestion waits for its turn behind customers' questions. */
const ingestMsMax = 60_000;
const eventsMax = 200;
/** What an answer may cost a deployment with a dear model. */
const answerTokens = 64;
export async function plant(probe: Probe, tenantId: TenantId, known: { readonly moves: readonly string[]; readonly report: string }): Promise<ProbeTenant> {
  const since = new Date();
  const word = Object.fromEntries(words.map((name) => [name, probe.canaries.make(tenantId, name)])) as Record<Word, string>;
  const caller = callerOf(tenantId, `${word.user}@${tenantId}.invalid`);
  const owner = new Owner(probe, caller);
  const documents = await Promise.all([owner.ingest(word.title, word.tag, vaultText(word)), owner.ingest(`${word.title} annex`, word.tag, `# Annex ${word.heading}\n\nThe annex of the vault repeats ${word.tail}.`)]);
  const passages = await owner.passages(word);
  const keyed = `Please tell me, what is the keyword of the vault ${word.question}?`;
  const talk = await owner.converse(word, keyed);
  const cached = `What is the keyword of the vault ${word.question}?`;
  await owner.askTwice(cached, word);
  const adapter = await probe.executor.importWeights(caller, `Adapter ${word.adapter}`, Buffer.from(`weights ${word.weights}`));
  return { caller, since, words: word, questions: { keyed, cached }, ids: { document: documents, passage: passages, conversation: talk.conversations, message: talk.messages, adapter: [adapter], tenant: [tenantId], move: known.moves, report: [known.report] } };
}

function vaultText(word: Readonly<Record<Word, string>>): string {
  return `# Vault ${word.heading}\n\nThe keyword of the vault ${word.question} is ${word.passage}. Whoever opens the vault also finds ${word.tail} in it.\n\n# Opening hours\n\nThe vault is open from nine to five, and ${word.tail} is shown on Mondays.\n`;
}

/** After the attacks: everything is still there, and found by its owner. */
export async function recall(probe: Probe, { caller, since, words: word, ids }: ProbeTenant): Promise<void> {
  const owner = new Owner(probe, caller);
  const { evidence } = probe;
  const lists = await owner.must("{ documents(first: 100) { nodes { id title tags state } } conversations(first: 100) { nodes { id title messages { nodes { id question answer } } } } adapters(first: 100) { nodes { id name } } }");
  for (const id of ids.document) evidence.recalled("documents", lists.text.includes(id), `${caller.tenantId} has lost a document`);
  evidence.recalled("documents", lists.text.includes(word.title) && lists.text.includes(word.tag), `${caller.tenantId} does not find its titles and tags`);
  for (const id of ids.conversation) evidence.recalled("conversations", lists.text.includes(id), `${caller.tenantId} has lost a conversation`);
  evidence.recalled("conversations", lists.text.includes(word.conversation) && lists.text.includes(word.question), `${caller.tenantId} does not find its conversation`);
  for (const id of ids.message) evidence.recalled("conversations", lists.text.includes(id), `${caller.tenantId} has lost a message`);
  evidence.recalled("adapters", lists.text.includes(word.adapter), `${caller.tenantId} does not find its adapter`);
  for (const id of ids.passage) {
    const passage = await owner.must("query ($id: ID!) { passage(id: $id) { text before after document { title } } }", { id });
    evidence.recalled("passages", passage.text.includes(word.title), `${caller.tenantId} cannot open its passage`);
  }
  for (const mode of ["VECTOR", "TEXT", "HYBRID"]) {
    const found = await owner.must("query ($query: String!, $mode: SearchMode) { search(input: { query: $query, mode: $mode }) { hits { snippet document { title } } } }", { query: word.passage, mode });
    evidence.recalled("passages", found.text.includes(word.title), `${caller.tenantId} does not find its passage by ${mode}`);
  }
  for (const id of ids.adapter) {
    const file = await probe.executor.exportWeights(caller, id as Parameters<typeof probe.executor.exportWeights>[1]);
    evidence.recalled("adapters", file.toString("utf8").includes(word.weights), `${caller.tenantId} does not get its weights`);
  }
  const ledger = await owner.must("mutation ($from: DateTime) { exportUsage(input: { from: $from }) { rows csv } }", { from: since.toISOString() });
  evidence.recalled("ledger", ledger.text.includes("COMPLETION") || ledger.text.includes("CACHE_HIT"), `${caller.tenantId} does not find its usage`);
}

/** Removes what this or an earlier run left: probe tenants do not grow. */
export async function clean(probe: Probe, tenantId: TenantId, user: string): Promise<void> {
  const owner = new Owner(probe, callerOf(tenantId, user));
  await owner.removeAll("documents", "mutation ($id: ID!) { deleteDocument(input: { documentId: $id }) { documentId } }");
  await owner.removeAll("conversations", "mutation ($id: ID!) { clearConversation(input: { conversationId: $id }) { conversationId } }");
  await owner.removeAll("adapters", "mutation ($id: ID!) { deleteAdapter(input: { adapterId: $id }) { adapterId } }");
}

/** A user of a probe tenant at work. What fails here fails the audit: it has found nothing out then. */
class Owner {
  constructor(private readonly probe: Probe, private readonly caller: ProbeCaller) {}

  async must(text: string, variables: Readonly<Record<string, unknown>> = {}): Promise<ProbeAnswer> {
    const answer = await this.probe.run(this.caller, { document: this.probe.documents.parse(text), variables }, "own data", text.slice(0, 60));
    const [error] = answer.errors;
    if (error !== undefined) throw new AuditHindered(`${this.caller.tenantId} was refused its own: ${error.code} ${error.message}`);
    return answer;
  }

  async ingest(title: string, tag: string, content: string): Promise<string> {
    const accepted = await this.must("mutation ($input: IngestDocumentInput!) { ingestDocument(input: $input) { document { id } } }", { input: { title, content, tags: [tag], mediaType: "MARKDOWN" } });
    const id = textAt(accepted, "ingestDocument", "document", "id");
    const events = await this.probe.stream(this.caller, { document: this.probe.documents.parse("subscription ($id: ID!) { ingestion(documentId: $id) { document { id title state } } }"), variables: { id } }, eventsMax, ingestMsMax, "streams", "Subscription.ingestion");
    const last = events.at(-1)?.text ?? "";
    this.probe.evidence.recalled("streams", last.includes(title), `${this.caller.tenantId} does not see its document being processed`);
    if (!last.includes("READY")) throw new AuditHindered(`A document of ${this.caller.tenantId} was not made searchable`);
    return id;
  }

  async passages(word: Readonly<Record<Word, string>>): Promise<readonly string[]> {
    const found = await this.must("query ($query: String!) { search(input: { query: $query, mode: TEXT, first: 10 }) { hits { chunkId snippet } } }", { query: `${word.passage} ${word.tail}` });
    const ids = [...found.text.matchAll(/"chunkId":"([^"]+)"/g)].map(([, id]) => id ?? "");
    if (ids.length === 0) throw new AuditHindered(`${this.caller.tenantId} does not find its own passages`);
    return ids;
  }

  async converse(word: Readonly<Record<Word, string>>, question: string): Promise<{ conversations: readonly string[]; messages: readonly string[] }> {
    const start = async (title: string): Promise<string> => textAt(await this.must("mutation ($title: String) { startConversation(input: { title: $title }) { conversation { id } } }", { title }), "startConversation", "conversation", "id");
    const conversations = [await start(word.conversation), await start(`${word.conversation} again`)];
    const input = { question, conversationId: conversations[0], idempotencyKey: word.key, maxTokens: answerTokens };
    await this.#ask(input);
    const again = await this.#ask(input);
    this.probe.evidence.recalled("idempotency", again.text.includes('"replayed":true'), `${this.caller.tenantId} is not given its answer again`);
    // A second turn, so that the list of messages has a cursor.
    await this.#ask({ question: `${question} And when is it open?`, conversationId: conversations[0], maxTokens: answerTokens });
    const talk = await this.must("query ($id: ID!) { conversation(id: $id) { messages { nodes { id } } } }", { id: conversations[0] });
    const messages = [...talk.text.matchAll(/"id":"(msg_[^"]+)"/g)].map(([, id]) => id ?? "");
    if (messages.length === 0) throw new AuditHindered(`${this.caller.tenantId} does not find what it asked`);
    await this.must("mutation ($input: FeedbackInput!) { sendFeedback(input: $input) { rating } }", { input: { messageId: messages[0], rating: "BAD", correction: `It is ${word.correction}` } });
    return { conversations, messages };
  }

  async askTwice(question: string, word: Readonly<Record<Word, string>>): Promise<void> {
    const first = await this.#ask({ question, maxTokens: answerTokens });
    this.probe.evidence.recalled("model requests", first.text.includes(word.title), `${this.caller.tenantId} is answered from something else than its documents`);
    const second = await this.#ask({ question, maxTokens: answerTokens });
    this.probe.evidence.recalled("semantic cache", second.text.includes('"cached":true'), `${this.caller.tenantId} is not answered from its cache`);
    const events = await this.probe.stream(this.caller, { document: this.probe.documents.parse("subscription ($input: AskInput!) { answer(input: $input) { __typename ... on AnswerDelta { text } ... on Answer { citations { document { title } } } ... on Refusal { code } ... on AnswerFailed { code } } }"), variables: { input: { question, idempotencyKey: `${word.key} streamed`, maxTokens: answerTokens } } }, eventsMax, ingestMsMax, "streams", "Subscription.answer");
    this.probe.evidence.recalled("streams", events.some(({ text }) => text.includes(word.title)), `${this.caller.tenantId} is not streamed its answer`);
  }

  async #ask(input: Readonly<Record<string, unknown>>): Promise<ProbeAnswer> {
    const answer = await this.must("mutation ($input: AskInput!) { ask(input: $input) { __typename ... on Answer { text cached replayed citations { snippet document { title } } } ... on Refusal { code message } } }", { input });
    const refused = /"__typename":"Refusal","code":"([A-Z_]+)"/.exec(answer.text)?.[1];
    if (refused !== undefined) throw new AuditHindered(`${this.caller.tenantId} was refused an answer: ${refused}`);
    return answer;
  }

  /** Page by page until the list is empty. */
  async removeAll(list: string, mutation: string): Promise<void> {
    for (let rounds = 0; rounds < 20; rounds += 1) {
      const found = await this.must(`{ ${list}(first: 100) { nodes { id } } }`);
      const ids = [...found.text.matchAll(/"id":"([^"]+)"/g)].map(([, id]) => id ?? "");
      if (ids.length === 0) return;
      for (const id of ids) await this.must(mutation, { id });
    }
  }
}

/** The audit cannot tell anything: its report ends `FAILED` with these words. */
export class AuditHindered extends Error {
  constructor(message: string) {
    super(message);
    this.name = "AuditHindered";
  }
}

function textAt(answer: ProbeAnswer, ...path: readonly string[]): string {
  let value: unknown = answer.data;
  for (const name of path) value = (value as Readonly<Record<string, unknown>> | null | undefined)?.[name];
  if (typeof value !== "string") throw new AuditHindered(`An answer has no ${path.join(".")}`);
  return value;
}
