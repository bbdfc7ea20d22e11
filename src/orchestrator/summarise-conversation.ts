import { promptOverheadTokens } from "../inference/chat-prompt.js";
import type { InferencePool } from "../inference/inference-pool.js";
import type { LazyTokenCounter } from "../inference/token-counter.js";
import type { Deadline } from "../kernel/deadline.js";
import { internal } from "../kernel/errors.js";
import type { AdapterId, ConversationId } from "../kernel/ids.js";
import { isRefusal, type Refusal } from "../kernel/refusal.js";
import { fallenTurns, type FallenTurns } from "../memory/conversation-memory.js";
import { summaryTokensMax } from "../memory/summary-bounds.js";
import type { Door, MeteredCall } from "../metering/door.js";
import { untilAborted } from "../metering/until-aborted.js";
import type { TenantRouter } from "../routing/tenant-router.js";
import type { Guards } from "../safety/guards.js";
import type { PassedPrompt } from "../safety/passed-prompt.js";
import type { ConversationStore, TenantStore } from "../storage/tenant-store.js";
import type { TenantContext } from "../tenancy/tenant-context.js";
import type { UserPseudonyms } from "../usage/user-pseudonyms.js";
import { openAdapter } from "./adapters/open-adapter.js";
import { AnswerAllowance } from "./answer-allowance.js";
import { completeMetered, guardAnswer } from "./complete-answer.js";
import { passageMarksTokens } from "./context-passages.js";

export interface SummariseConversationParts {
  readonly door: Door;
  readonly router: Pick<TenantRouter, "read" | "write">;
  readonly pool: InferencePool;
  readonly counter: LazyTokenCounter;
  readonly guards: Guards;
  readonly pseudonyms: UserPseudonyms;
}

/** After which answer. */
export interface TalkTurn {
  readonly conversationId: ConversationId;
  /** What answered, and so what may read the conversation: no other provider is shown it. */
  readonly model: string;
  readonly adapterId?: AdapterId;
  /** The response path of the field that asked. */
  readonly path: string;
}

/** `OVERTAKEN`: another server was first, or the conversation was cleared. */
export type SummaryOutcome = "NOT_DUE" | "REFUSED" | "KEPT" | "OVERTAKEN";

const operation = "summarise";

/**
 * Sums up the turns that no longer fit beside a question, together with the summary before. One call
 * of a model, through the door like any other, and behind all questions that wait. Nothing depends on
 * it: a refusal or a crash leaves the former summary, and the next answer tries again.
 */
export class SummariseConversation {
  constructor(private readonly parts: SummariseConversationParts) {}

  /** `round` tells several calls after one answer apart. Throws the errors of the store and the model, or the deadline's reason. */
  async run(context: TenantContext, deadline: Deadline, turn: TalkTurn, round: number): Promise<SummaryOutcome> {
    const { counter, router } = this.parts;
    const { historyTokens, contextTokens } = context.policy;
    const tokensMax = summaryTokensMax(historyTokens);
    if (tokensMax === undefined) return "NOT_DUE";
    await counter.load();
    const talkOf = (store: TenantStore): ConversationStore => store.conversationsOf(context.userId);
    const limits = { tokensMax: historyTokens, textTokensMax: contextTokens };
    const fallen = await untilAborted(router.read(context, deadline, (store) => fallenTurns(talkOf(store), turn.conversationId, limits, (text) => counter.count(text))), deadline.signal);
    if (fallen === undefined) return "NOT_DUE";
    const text = await this.#write(context, deadline, turn, fallen, tokensMax, round);
    if (isRefusal(text)) return "REFUSED";
    const isKept = await untilAborted(router.write(context, deadline, (store) => talkOf(store).summarise(turn.conversationId, fallen.covered, { text, turns: fallen.covers })), deadline.signal);
    return isKept ? "KEPT" : "OVERTAKEN";
  }

  async #write(context: TenantContext, deadline: Deadline, turn: TalkTurn, fallen: FallenTurns, tokensMax: number, round: number): Promise<string | Refusal> {
    const { counter, door, guards, pool, pseudonyms } = this.parts;
    const tuned = await openAdapter(this.parts.router, context, deadline, turn);
    const { model, backend } = tuned === undefined ? pool.choose(context.policy, turn.model) : pool.chooseTuned(context, tuned, turn.model);
    const passages = passagesOf(fallen);
    const promptTokens = passages.reduce((sum, { text }) => sum + counter.count(text) + passageMarksTokens, promptOverheadTokens);
    const settings = { task: "SUMMARISE", model, ...(tuned === undefined ? {} : { tuned }), maxTokens: tokensMax, userTag: await pseudonyms.forProvider(context), cacheSalt: await pseudonyms.cacheSalt(context), endsAt: deadline.endsAt } as const;
    // Of the classes below a question's: whoever waits for an answer goes first.
    const call: MeteredCall = { kind: "COMPLETION", operation, model, path: `${turn.path}.summary`, callNumber: round, reserveTokens: promptTokens + tokensMax, workClass: "INGEST" };
    const allowance = new AnswerAllowance(tokensMax, tokensMax, () => Promise.resolve(false));
    const passed: { prompt?: PassedPrompt<(typeof passages)[number]> } = {};
    const events = await door.stream(context, deadline, call, (signal, report) => {
      passed.prompt = guards.passPrompt(context, { question: "", history: [], passages });
      return completeMetered(backend, settings, passed.prompt, promptTokens, counter, allowance, signal, report);
    });
    if (isRefusal(events)) return events;
    if (passed.prompt === undefined) throw internal("A model was called with a prompt that did not pass the guards");
    const written = await endOf(guardAnswer(events, passed.prompt.answer));
    // What the output guard stops is not remembered, and the turns are not sent again after every answer for it.
    return isRefusal(written) || written.text.trim() === "" ? fallen.former : this.#cut(written.text.trim(), tokensMax);
  }

  /** A model may not keep to its bound, or count otherwise. */
  #cut(text: string, tokensMax: number): string {
    let cut = text;
    for (let tokens = this.parts.counter.count(cut); tokens > tokensMax; tokens = this.parts.counter.count(cut)) {
      cut = cut.slice(0, Math.floor((cut.length * tokensMax) / tokens) - 1).trimEnd();
    }
    return cut;
  }
}

/** Fenced and guarded one by one, as passages are: one turn with instructions in it does not cost the others. */
function passagesOf({ former, turns }: FallenTurns): readonly { readonly label: string; readonly title: string; readonly text: string; readonly score: number }[] {
  const said = turns.map(({ question, answer, ordinal }) => ({ title: `Turn ${ordinal + 1}`, text: `User: ${question}\n\nAssistant: ${answer}` }));
  const texts = former === "" ? said : [{ title: "Summary so far", text: former }, ...said];
  return texts.map((passage, at) => ({ label: String(at + 1), ...passage, score: 1 }));
}

async function endOf<End>(events: AsyncGenerator<unknown, End>): Promise<End> {
  for (;;) {
    const { done, value } = await events.next();
    if (done === true) return value;
  }
}
