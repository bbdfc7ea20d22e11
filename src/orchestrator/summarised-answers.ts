import type { Deadline } from "../kernel/deadline.js";
import type { Refusal } from "../kernel/refusal.js";
import type { TenantContext } from "../tenancy/tenant-context.js";
import { endingOf } from "./answer-ending.js";
import type { AnswerEvent, Answered, AskInput } from "./answer-event.js";
import type { AnswerOnce } from "./answer-once.js";
import type { ConversationSummaries } from "./conversation-summaries.js";

/** `AnswerOnce`, whose answers have their conversation summarised behind them. */
export class SummarisedAnswers {
  constructor(
    private readonly answers: Pick<AnswerOnce, "stream">,
    private readonly summaries: Pick<ConversationSummaries, "begin">,
  ) {}

  async run(context: TenantContext, deadline: Deadline, input: AskInput, path: string): Promise<Answered | Refusal> {
    return endingOf(this.stream(context, deadline, input, path));
  }

  /** As `AnswerOnce`. By the time of the answer's event its turn is in the conversation. */
  async *stream(context: TenantContext, deadline: Deadline, input: AskInput, path: string): AsyncGenerator<AnswerEvent> {
    for await (const event of this.answers.stream(context, deadline, input, path)) {
      if (event.kind === "ANSWER" && event.conversationId !== undefined && !event.replayed) {
        const { conversationId, model } = event;
        this.summaries.begin(context, { conversationId, model, path, ...(input.adapterId === undefined ? {} : { adapterId: input.adapterId }) });
      }
      yield event;
    }
  }
}
