/**
 * Answers a question that carries an idempotency key once, however often and wherever it is sent: the
 * first attempt asks, the others wait for it and get its answer. Before it comes the resolver, behind
 * it `AnswerQuestion`; the key's record lies with the tenant's data and moves with it.
 *
 * What the ledger says of it. A row is a call that was made. Each attempt that gets to make one
 * writes it under its own request id, after a crash too: the row of a server that died between its
 * call and the keeping of the answer is that call's, since the provider was paid for it, and the row
 * of the attempt that took over is another's. Were the second written under the first's id, the
 * ledger would take it for the same and a call would be on no bill, or one of other size than its
 * caller was told. So a key has one call and one row of each kind, and one more for each server that
 * died within that window.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { Deadline } from "../kernel/deadline.js";
import { idempotencyMismatch, notFound } from "../kernel/errors.js";
import type { Refusal } from "../kernel/refusal.js";
import type { Telemetry } from "../kernel/telemetry.js";
import { untilAborted } from "../metering/until-aborted.js";
import type { TenantRouter } from "../routing/tenant-router.js";
import type { KeyState } from "../storage/tenant-store.js";
import type { TenantContext } from "../tenancy/tenant-context.js";
import { endingOf } from "./answer-ending.js";
import type { AnswerEvent, Answered, AskInput } from "./answer-event.js";
import type { AnswerQuestion } from "./answer-question.js";
import { KeyedQuestion, parseIdempotencyKey, type KeyTiming } from "./keyed-question.js";
import { readAnswer, writeAnswer } from "./stored-answer.js";

/** A third of the request's time for a crash to be waited out in it; three signs of life a lease. */
const timingDefault: KeyTiming = { leaseMs: 10_000, renewMs: 3_000 };

/** Between two looks at a key that another server works on. Twins on one server wake each other. */
const lookMsMin = 25;
const lookMsMax = 250;

export class AnswerOnce {
  /** Attempts of this server that hold a key, each until it has ended. */
  readonly #holding = new Map<string, Promise<void>>();

  constructor(
    private readonly answers: Pick<AnswerQuestion, "stream">,
    private readonly router: Pick<TenantRouter, "read" | "write">,
    private readonly telemetry: Telemetry,
    private readonly timing: KeyTiming = timingDefault,
  ) {}

  async run(context: TenantContext, deadline: Deadline, input: AskInput, path: string): Promise<Answered | Refusal> {
    return endingOf(this.stream(context, deadline, input, path));
  }

  /** Also throws `IDEMPOTENCY_MISMATCH`, and `NOT_FOUND` for an answer whose conversation or cited document is gone. */
  async *stream(context: TenantContext, deadline: Deadline, input: AskInput, path: string): AsyncGenerator<AnswerEvent> {
    if (input.idempotencyKey === undefined) return yield* this.answers.stream(context, deadline, input, path);
    const question = new KeyedQuestion(this.router, this.telemetry, context, deadline, parseIdempotencyKey(input.idempotencyKey), input, this.timing);
    const state = await idempotently(question, () => this.#claim(question));
    if (state.kind === "CLAIMED") yield* this.#answer(question, input, path);
    else yield* replay(this.#given(state));
  }

  /** Waits as long as another attempt is at work, within this one's own deadline. */
  async #claim(question: KeyedQuestion): Promise<KeyState | { readonly kind: "CLAIMED" }> {
    for (;;) {
      const state = await question.claim();
      if (state.kind !== "BUSY") return state;
      for (let pauseMs = lookMsMin; ; pauseMs = Math.min(lookMsMax, 2 * pauseMs)) {
        const twin = this.#holding.get(question.id);
        await untilAborted(Promise.race([sleep(pauseMs), ...(twin === undefined ? [] : [twin])]), question.deadline.signal);
        if ((await question.look()).kind !== "BUSY") break;
      }
    }
  }

  /**
   * A refusal, a failure and an abort leave no answer behind: the key is free again, and the next
   * attempt is a new call. That holds for a call that was paid for as well, such as one whose client
   * went away: a part of an answer is not the answer, and its row stays.
   */
  async *#answer(question: KeyedQuestion, input: AskInput, path: string): AsyncGenerator<AnswerEvent> {
    let end: (() => void) | undefined;
    this.#holding.set(question.id, new Promise((resolve) => (end = resolve)));
    const letGo = question.hold();
    let isAnswered = false;
    try {
      for await (const event of this.answers.stream(question.context, question.deadline, input, path, false)) {
        if (event.kind !== "ANSWER") {
          yield event;
          continue;
        }
        isAnswered = true;
        letGo();
        yield await idempotently(question, () => this.#keep(question, input, event));
      }
    } finally {
      letGo();
      if (!isAnswered) await question.release();
      this.#holding.delete(question.id);
      end?.();
    }
  }

  /** By now it is settled and on the ledger. The key's answer: this one, or another's that came first and has the turn. */
  async #keep(question: KeyedQuestion, input: AskInput, answer: Answered): Promise<Answered> {
    const documentIds = answer.citations.map(({ documentId }) => documentId);
    const { id, conversationId } = answer;
    let state;
    try {
      state = await question.answer({ id, answer: writeAnswer(answer), documentIds, ...(conversationId === undefined ? {} : { conversationId, turn: { question: input.question.trim(), answer: answer.text } }) });
    } catch (error) {
      // It is paid for, so it is delivered. Whoever sends the key again once its lease is over pays again.
      this.telemetry.count("idempotent_answers_lost_total");
      this.telemetry.log("warn", "An answer could not be kept for its idempotency key", { tenantId: question.context.tenantId, error: String(error) });
      return answer;
    }
    // This attempt was slow, and another took its key, even for other arguments: they are not to be disturbed.
    return state.kind === "STORED" || state.kind === "MISMATCH" ? answer : this.#given(state);
  }

  #given(state: KeyState): Answered {
    if (state.kind === "MISMATCH") throw idempotencyMismatch();
    if (state.kind !== "ANSWERED") throw notFound("Answer");
    this.telemetry.count("idempotent_replays_total");
    return readAnswer(state.answer);
  }
}

/** What the key costs beside the question itself. */
async function idempotently<T>({ deadline }: KeyedQuestion, work: () => Promise<T>): Promise<T> {
  const clock = deadline.clock.part("idempotency");
  try {
    return await work();
  } finally {
    clock.end();
  }
}

/** As a stream has it, in one piece. */
function* replay(answer: Answered): Generator<AnswerEvent> {
  const { id, model, text, conversationId } = answer;
  yield { kind: "STARTED", id, model, ...(conversationId === undefined ? {} : { conversationId }) };
  if (text !== "") yield { kind: "DELTA", text };
  yield answer;
}
