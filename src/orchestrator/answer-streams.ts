/**
 * The streamed answers of this server. Before it comes the `answer` subscription, behind it
 * `AnswerOnce`, which sees to it that a key is answered once over all servers. Here a client that lost
 * its connection finds its answer still under way; on another server it waits and gets the whole.
 */
import { ClientGone } from "../kernel/client-gone.js";
import { Deadline } from "../kernel/deadline.js";
import { badUserInput, type BulkheadError } from "../kernel/errors.js";
import { StageClock } from "../kernel/stage-clock.js";
import type { Telemetry } from "../kernel/telemetry.js";
import type { TenantContext } from "../tenancy/tenant-context.js";
import type { TenantDirectory } from "../tenancy/tenant-directory.js";
import type { AnswerEvent, AskInput } from "./answer-event.js";
import type { AnswerOnce } from "./answer-once.js";
import { argumentsOf } from "./keyed-question.js";
import { LiveAnswer } from "./live-answer.js";

export interface StreamTiming {
  /** The one deadline of a streamed answer: people read along, so it may be longer than a request's. */
  readonly answerMs: number;
  /** How long an answer goes on for a client whose connection broke. */
  readonly desertedMs: number;
  /** Between two looks whether a deserted answer's tenant is still served: a suspension must hold within a second. */
  readonly lookMs: number;
}

const timingDefault: StreamTiming = { answerMs: 120_000, desertedMs: 15_000, lookMs: 200 };

export class AnswerStreams {
  readonly #live = new Map<string, LiveAnswer>();
  readonly #clocks = new WeakMap<LiveAnswer, StageClock>();

  constructor(
    private readonly answers: Pick<AnswerOnce, "stream">,
    private readonly directory: TenantDirectory,
    private readonly telemetry: Telemetry,
    private readonly timing: StreamTiming = timingDefault,
  ) {}

  /**
   * `deadline` is the listener's: its token's life, and its connection. Throws `BAD_USER_INPUT` without
   * a key, and what `AnswerOnce` throws.
   */
  stream(context: TenantContext, deadline: Deadline, input: AskInput, path: string): AsyncIterable<AnswerEvent> {
    if (input.idempotencyKey === undefined) throw badUserInput("idempotencyKey", "none", "a key: a client that lost its connection sends it again and goes on, without asking twice");
    const id = liveId(context, input);
    const live = this.#live.get(id);
    if (live !== undefined) this.telemetry.count("answers_resumed_total");
    return this.#heard(live ?? this.#begin(id, context, input, path), deadline);
  }

  /** What the answer spends its time on is what each of its listeners waits for. */
  async *#heard(live: LiveAnswer, deadline: Deadline): AsyncGenerator<AnswerEvent> {
    const leave = this.#clocks.get(live)?.joins(deadline.clock);
    try {
      yield* live.listen(deadline.signal);
    } finally {
      leave?.();
    }
  }

  #begin(id: string, context: TenantContext, input: AskInput, path: string): LiveAnswer {
    const clock = new StageClock("stream");
    const deadline = Deadline.after(this.timing.answerMs, clock);
    const source = this.answers.stream(context, deadline, input, path);
    const stop = (reason: BulkheadError): void => {
      // At once: who asks again meanwhile must not be told that someone else went away.
      if (this.#live.get(id) === live) this.#live.delete(id);
      deadline.abort(reason);
    };
    const live: LiveAnswer = new LiveAnswer(source, stop, () => this.#watchDeserted(live, context, stop), deadline.signal);
    this.#live.set(id, live);
    this.#clocks.set(live, clock);
    void live.run().then(() => {
      if (this.#live.get(id) === live) this.#live.delete(id);
      deadline.dispose();
    });
    return live;
  }

  #watchDeserted(live: LiveAnswer, context: TenantContext, stop: (reason: BulkheadError) => void): void {
    this.telemetry.count("answers_deserted_total");
    const endsAt = performance.now() + this.timing.desertedMs;
    const timer = setInterval(() => {
      if (!live.isDeserted) return clearInterval(timer);
      if (performance.now() > endsAt) return stop(new ClientGone(true));
      void this.#isServed(context).then((served) => {
        if (!served) stop(new ClientGone(true));
      });
    }, this.timing.lookMs).unref();
  }

  /** Fails closed. */
  async #isServed({ tenantId }: TenantContext): Promise<boolean> {
    try {
      return (await this.directory.find(tenantId))?.state === "ACTIVE";
    } catch {
      return false;
    }
  }
}

/** Of one user's one question. Other arguments under the same key are another's, and `AnswerOnce` says so. JSON keeps the parts apart. */
function liveId({ tenantId, userId }: TenantContext, input: AskInput): string {
  return JSON.stringify([tenantId, userId, input.idempotencyKey, argumentsOf(input)]);
}
