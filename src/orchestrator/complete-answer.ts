import type { CompletionEvent, CompletionRequest, FinishReason, InferenceBackend } from "../inference/inference-backend.js";
import type { TokenCounter } from "../inference/token-counter.js";
import { internal } from "../kernel/errors.js";
import { isRefusal, type Refusal } from "../kernel/refusal.js";
import type { ReportUsage } from "../metering/door.js";
import type { OutputGuard } from "../safety/output-guard.js";
import type { AnswerAllowance } from "./answer-allowance.js";
import type { AnswerEvent } from "./answer-event.js";

export interface Completed {
  readonly text: string;
  readonly finishReason: FinishReason;
  readonly cited: readonly string[];
}

/**
 * A completion that tells the door after every part what it has cost so far, so that an answer
 * dropped just before its end is not free. An answer that outgrows its reservation ends with `LENGTH`
 * where no more is to be had. The provider's own figures replace the count when they come.
 */
export async function* completeMetered(
  backend: InferenceBackend,
  request: CompletionRequest,
  promptTokens: number,
  counter: TokenCounter,
  allowance: AnswerAllowance,
  signal: AbortSignal,
  report: ReportUsage,
): AsyncGenerator<CompletionEvent> {
  let completionTokens = 0;
  // Counts if the caller goes away before the first word: the provider reads the prompt all the same.
  report({ promptTokens, completionTokens });
  try {
    for await (const event of backend.complete(request, signal)) {
      if (event.kind === "DELTA") completionTokens += counter.count(event.text);
      report(event.kind === "DONE" ? event.usage : { promptTokens, completionTokens });
      yield event;
      if (event.kind === "DELTA" && !(await allowance.covers(completionTokens))) {
        // What came is delivered and paid for. Leaving the loop ends the model's stream.
        return yield { kind: "DONE", finishReason: "LENGTH", usage: { promptTokens, completionTokens }, cited: [] };
      }
    }
  } catch (error) {
    // A call that failed before it gave anything is not billed by providers, and not here.
    if (!signal.aborted && completionTokens === 0) report({ promptTokens: 0, completionTokens: 0 });
    throw error;
  }
}

/** Hands on what the output guard lets out, and ends with the whole of it. */
export async function* guardAnswer(events: AsyncIterable<CompletionEvent>, guard: OutputGuard): AsyncGenerator<AnswerEvent, Completed | Refusal> {
  let text = "";
  let done: Extract<CompletionEvent, { kind: "DONE" }> | undefined;
  // The stream is read to its end, after `DONE` too: leaving it early would count as an abort.
  for await (const event of events) {
    if (event.kind === "DONE") done = event;
    const released = event.kind === "DONE" ? guard.flush() : guard.push(event.text);
    if (isRefusal(released)) return released;
    text += released;
    if (released !== "") yield { kind: "DELTA", text: released };
  }
  if (done === undefined) throw internal("A model's answer ended without its end");
  return { text, finishReason: done.finishReason, cited: done.cited };
}
