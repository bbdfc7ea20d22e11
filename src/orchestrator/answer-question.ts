import { promptOverheadTokens } from "../inference/chat-prompt.js";
import type { InferencePool } from "../inference/inference-pool.js";
import type { LazyTokenCounter } from "../inference/token-counter.js";
import type { Deadline } from "../kernel/deadline.js";
import { internal } from "../kernel/errors.js";
import { newId } from "../kernel/ids.js";
import { isRefusal, type Refusal } from "../kernel/refusal.js";
import type { StageClock } from "../kernel/stage-clock.js";
import type { Telemetry } from "../kernel/telemetry.js";
import { recall, type Recalled } from "../memory/conversation-memory.js";
import type { SemanticCache } from "../memory/semantic-cache.js";
import type { Door, MeteredCall } from "../metering/door.js";
import { PendingRows } from "../metering/pending-rows.js";
import { untilAborted } from "../metering/until-aborted.js";
import type { Embedder } from "../retrieval/embedder.js";
import type { searchPassages } from "../retrieval/search-passages.js";
import type { TenantRouter } from "../routing/tenant-router.js";
import type { Guards } from "../safety/guards.js";
import type { PassedPrompt } from "../safety/passed-prompt.js";
import type { TenantContext } from "../tenancy/tenant-context.js";
import type { UserPseudonyms } from "../usage/user-pseudonyms.js";
import { openAdapter } from "./adapters/open-adapter.js";
import { endingOf } from "./answer-ending.js";
import { AnswerAllowance } from "./answer-allowance.js";
import { AnswerCache, keepable, type CacheLook } from "./answer-cache.js";
import type { AnswerEvent, Answered, AskInput, Citation } from "./answer-event.js";
import { boundOf, callsOf, planAsk, type AskPlan } from "./ask-plan.js";
import { callOf, type Asking } from "./asking.js";
import { completeMetered, guardAnswer, type Completed } from "./complete-answer.js";
import { citationsOf, fitPassages, type ContextPassage } from "./context-passages.js";
import { embedQuestion } from "./embed-question.js";
import { LearnedLengths } from "./learned-lengths.js";
import { PassagePresence } from "./passage-presence.js";

export interface AnswerQuestionParts {
  readonly door: Door;
  readonly router: Pick<TenantRouter, "read" | "write">;
  readonly embedder: Embedder;
  readonly search: typeof searchPassages;
  readonly pool: InferencePool;
  readonly counter: LazyTokenCounter;
  readonly guards: Guards;
  readonly pseudonyms: UserPseudonyms;
  readonly telemetry: Telemetry;
  /** Left out: every question is a call of a model. */
  readonly cache?: SemanticCache;
}

interface Retrieved {
  readonly passages: readonly ContextPassage[];
  readonly look?: CacheLook;
}

/** Passages handed to the model at most: recall gains little past the eighth, and each costs its tokens. */
const passagesMax = 8;

/**
 * Answers a question from the tenant's documents: check, guard, recall, reserve, embed, search,
 * complete, guard again, settle, remember. All model calls of a question draw on one reservation,
 * so it is refused before anything is spent or not at all for want of tokens.
 */
export class AnswerQuestion {
  readonly #lengths = new LearnedLengths();
  readonly #presence: PassagePresence;

  readonly #cache: AnswerCache;

  constructor(private readonly parts: AnswerQuestionParts) {
    this.#cache = new AnswerCache(parts);
    this.#presence = new PassagePresence(parts.router);
  }

  /** The last event of `stream`. Throws what it throws. */
  async run(context: TenantContext, deadline: Deadline, input: AskInput, path: string): Promise<Answered | Refusal> {
    return endingOf(this.stream(context, deadline, input, path));
  }

  /** Throws `BAD_USER_INPUT` and `NOT_FOUND` before anything is spent, the errors of the model, or the deadline's reason. `remembers` false: the caller writes the conversation's turn. */
  async *stream(context: TenantContext, deadline: Deadline, input: AskInput, path: string, remembers = true): AsyncGenerator<AnswerEvent> {
    const stages = deadline.clock.part("prepare");
    try {
      yield* this.#stream(context, deadline, input, path, remembers, stages);
    } finally {
      stages.end();
    }
  }

  async *#stream(context: TenantContext, deadline: Deadline, input: AskInput, path: string, remembers: boolean, stages: StageClock): AsyncGenerator<AnswerEvent> {
    const { guards, pool } = this.parts;
    const asked = planAsk(context, input, pool, await openAdapter(this.parts.router, context, deadline, input));
    const checked = await stages.time("guard", () => guards.checkQuestion(context, asked.question));
    if (isRefusal(checked)) return yield checked;
    const plan = { ...asked, question: checked.text };
    const asking = await this.#open(context, deadline, path, plan, stages);
    if (isRefusal(asking)) return yield asking;
    const { conversationId } = plan;
    let ending: Answered | Refusal;
    try {
      yield { kind: "STARTED", id: asking.id, model: plan.chosen.model, ...(conversationId === undefined ? {} : { conversationId }) };
      ending = yield* this.#answer(asking, remembers);
    } finally {
      await stages.time("settle", () => this.#settle(asking));
    }
    stages.end();
    // Read again here: the answer says where the time went, settling included.
    yield ending.kind === "ANSWER" ? { ...ending, usage: { ...asking.spent }, latency: stages.read() } : ending;
  }

  async #open(context: TenantContext, deadline: Deadline, path: string, plan: AskPlan, stages: StageClock): Promise<Asking | Refusal> {
    const { counter, door, embedder } = this.parts;
    // Budgets in tokens need the tokenizer: the first question of a process waits about 0.5 s for it.
    stages.enter("history");
    await counter.load();
    const history = await this.#recall(context, deadline, plan);
    stages.enter("reserve");
    const questionTokens = counter.count(plan.question);
    const answerTokens = plan.isDeclared ? plan.maxTokens : this.#lengths.estimate(context.tenantId, plan.chosen.model, plan.maxTokens);
    const tokens = { question: questionTokens, history: history.tokens, answer: answerTokens };
    const envelope = await door.open(context, deadline, boundOf(context, tokens), callsOf(plan, context, embedder.model, tokens, this.#cache.isOpenTo({ context, plan })));
    if (isRefusal(envelope)) return envelope;
    const spent = { promptTokens: 0, completionTokens: 0, costMicroUsd: 0 };
    return { context, deadline, path, id: newId("message"), plan, history, questionTokens, answerTokens, envelope, rows: new PendingRows(), stages, spent };
  }

  async #recall(context: TenantContext, deadline: Deadline, { conversationId }: AskPlan): Promise<Recalled> {
    if (conversationId === undefined) return { turns: [], tokens: 0 };
    const count = (text: string) => this.parts.counter.count(text);
    const { historyTokens } = context.policy;
    // A database that hangs must not hold the request past its deadline.
    return untilAborted(this.parts.router.read(context, deadline, (store) => recall(store.conversationsOf(context.userId), conversationId, historyTokens, count)), deadline.signal);
  }

  async *#answer(asking: Asking, remembers: boolean): AsyncGenerator<AnswerEvent, Answered | Refusal> {
    const retrieved = await this.#retrieve(asking);
    if (isRefusal(retrieved)) return retrieved;
    const { passages, look } = retrieved;
    asking.stages.enter(look?.hit === undefined ? "first_token" : "cache");
    const completed = look?.hit === undefined ? yield* this.#complete(asking, passages) : yield* this.#cache.serve(asking, look.hit);
    if (isRefusal(completed)) return completed;
    const kept = look?.hit === undefined ? keepable(completed, passages) : undefined;
    if (kept !== undefined) look?.keep(kept);
    if (remembers) await asking.stages.time("remember", () => this.#remember(asking, completed.text));
    const { id, plan } = asking;
    this.parts.telemetry.count("answers_total", { finish: completed.finishReason, model: plan.chosen.model });
    return {
      kind: "ANSWER",
      id,
      text: completed.text,
      finishReason: completed.finishReason,
      citations: completed.citations,
      usage: asking.spent,
      cached: look?.hit !== undefined,
      replayed: false,
      model: plan.chosen.model,
      ...(plan.conversationId === undefined ? {} : { conversationId: plan.conversationId }),
      latency: asking.stages.read(),
    };
  }

  /**
   * The words of the question are looked up while its vector is computed on another core. Only once
   * the embedding has its turn: a question that waits in line, or is refused, must not read either.
   */
  async #retrieve(asking: Asking): Promise<Retrieved | Refusal> {
    asking.stages.enter("search");
    if (await this.#presence.isEmpty(asking.context, asking.deadline)) return { passages: [] };
    let begin: (() => void) | undefined;
    const turn = new Promise<void>((resolve) => (begin = resolve));
    const embedding = asking.stages.time("embed", () => this.#embed(asking, () => begin?.()));
    const looking = turn.then(() => this.#cache.look(asking, embedding));
    // Of a question that was answered before, the vector leg is not run, and nobody waits for the words.
    const wanted = embedding.then(async (made) => (isRefusal(made) || (await looking)?.hit !== undefined ? undefined : made));
    // Nor of this, if the turn never comes: a rejection that nobody hears ends the process.
    wanted.catch(() => undefined);
    const searching = turn.then(() => this.#search(asking, wanted));
    // If the embedding fails, that is the error to report, and nobody is left to hear of the search's.
    searching.catch(() => undefined);
    const vector = await embedding;
    if (isRefusal(vector)) return vector;
    const look = await asking.stages.time("cache", () => looking);
    const passages = look?.hit === undefined ? await asking.stages.time("search", () => searching) : [];
    return { passages, ...(look === undefined ? {} : { look }) };
  }

  #embed(asking: Asking, begin: () => void): Promise<Float32Array | Refusal> {
    const { door, embedder } = this.parts;
    const call = { ...callOf(asking), onTurn: begin, reserveTokens: asking.questionTokens };
    return embedQuestion(door, embedder, asking.context, asking.deadline, asking.plan.question, call);
  }

  #search({ context, deadline, plan }: Asking, vector: Promise<Float32Array | undefined>): Promise<readonly ContextPassage[]> {
    const { router, search, counter } = this.parts;
    // It may fail before the store is open and anyone waits for it.
    vector.catch(() => undefined);
    const found = router.read(context, deadline, async (store) => {
      const ranked = await search(store, { text: plan.question, vector, mode: "HYBRID", limit: passagesMax, filter: {} });
      const ids = [...new Set(ranked.map(({ chunk }) => chunk.documentId))];
      const documents = new Map((await store.documents.getMany(ids)).map((document) => [document?.id, document]));
      return fitPassages(ranked, ({ chunk }) => documents.get(chunk.documentId), context.policy.contextTokens, (text) => counter.count(text));
    });
    return untilAborted(found, deadline.signal);
  }

  async *#complete(asking: Asking, passages: readonly ContextPassage[]): AsyncGenerator<AnswerEvent, (Completed & { readonly citations: readonly Citation[] }) | Refusal> {
    const { guards, door, counter, pseudonyms } = this.parts;
    const { context, deadline, plan, history } = asking;
    const { tuned } = plan.chosen;
    const settings = { model: plan.chosen.model, ...(tuned === undefined ? {} : { tuned }), maxTokens: plan.maxTokens, userTag: await pseudonyms.forProvider(context), cacheSalt: await pseudonyms.cacheSalt(context), endsAt: deadline.endsAt };
    const contextTokens = passages.reduce((total, passage) => total + passage.textTokens, 0);
    const promptTokens = asking.questionTokens + history.tokens + contextTokens + promptOverheadTokens;
    const call: MeteredCall = { ...callOf(asking), kind: "COMPLETION", model: plan.chosen.model, reserveTokens: promptTokens + asking.answerTokens, workClass: "INTERACTIVE" };
    const allowance = new AnswerAllowance(asking.answerTokens, plan.maxTokens, (completionTokens) => door.extend(asking.envelope, { kind: "COMPLETION", model: plan.chosen.model, promptTokens: 0, completionTokens }));
    const passed: { prompt?: PassedPrompt<ContextPassage> } = {};
    // Passed only once the turn has come: one pass for every call of a model, and none for a call that is refused.
    const events = await door.stream(context, deadline, call, (signal, report) => {
      passed.prompt = guards.passPrompt(context, { question: plan.question, ...(history.summary === undefined ? {} : { summary: history.summary }), history: history.turns, passages });
      return completeMetered(plan.chosen.backend, settings, passed.prompt, promptTokens, counter, allowance, signal, report);
    });
    if (isRefusal(events)) return events;
    const { prompt } = passed;
    if (prompt === undefined) throw internal("A model was called with a prompt that did not pass the guards");
    const completed = yield* guardAnswer(events, prompt.answer, () => asking.stages.enter("stream"));
    // Of the question's calls the completion alone writes tokens.
    if (!isRefusal(completed) && !allowance.isRefused) this.#lengths.learn(context.tenantId, plan.chosen.model, asking.spent.completionTokens);
    if (isRefusal(completed)) return completed;
    // A quotation beside the answer is under the same policy as the answer.
    const citations = citationsOf(completed.cited, prompt.passages, completed.text).map((citation) => ({ ...citation, snippet: prompt.answer.clean(citation.snippet) }));
    return { ...completed, citations };
  }

  /**
   * An answer that was paid for is delivered even if it cannot be remembered, for instance because
   * the conversation was cleared meanwhile. The loss is counted and logged, not hidden.
   */
  async #remember({ context, deadline, plan: { conversationId, question } }: Asking, answer: string): Promise<void> {
    if (conversationId === undefined) return;
    try {
      const written = this.parts.router.write(context, deadline, (store) => store.conversationsOf(context.userId).append(conversationId, { question, answer }));
      await untilAborted(written, deadline.signal);
    } catch (error) {
      this.parts.telemetry.count("conversation_turns_lost_total");
      this.parts.telemetry.log("warn", "A turn could not be added to its conversation", { tenantId: context.tenantId, conversationId, error: String(error) });
    }
  }

  async #settle({ envelope, rows }: Asking): Promise<void> {
    await Promise.all([envelope.settle(), rows.written()]);
  }
}
