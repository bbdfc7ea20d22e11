import { internal } from "../kernel/errors.js";
import type { Refusal } from "../kernel/refusal.js";
import type { AnswerEvent, Answered } from "./answer-event.js";

/** The last event of a stream, for whoever wants nothing before it. Throws what the stream throws. */
export async function endingOf(events: AsyncIterable<AnswerEvent>): Promise<Answered | Refusal> {
  for await (const event of events) {
    if (event.kind === "ANSWER" || event.kind === "REFUSAL") return event;
  }
  throw internal("An answer ended without an answer or a refusal");
}
