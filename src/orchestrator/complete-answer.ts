import type { CompletionPart, CompletionRequest, FinishReason, InferenceBackend, Passage } from "../inference/inference-backend.js";
import type { TokenCounter } from "../inference/token-counter.js";
import { internal } from "../kernel/errors.js";
import { isRefusal, type Refusal } from "../kernel/refusal.js";
import type { CallUsage, ReportUsage } from "../metering/door.js";
import type { AnswerGuard } from "../safety/answer-guard.js";
import type { PassedPrompt } from "../safety/passed-prompt.js";
import type { AnswerAllowance } from "./answer-allowance.js";
import type { AnswerEvent } from "./answer-event.js";

export interface Completed {
  readonly text: string;
  readonly finishReason: FinishReason;
  readonly cited: readonly string[];
}

/** Everything of a request but the texts, which come from a prompt that passed the guards and from nowhere else. */
export type CompletionSettings = Omit<CompletionRequest, "question" | "summary" | "history" | "passages" | "canary">;

/**
 * A completion that tells the door after every part what it has cost so far, so that an answer
 * dropped just before its end is not free. An answer that outgrows its reservation ends with `LENGTH`
 * where no more is to be had. The provider's own figures replace the count when they come.
 */
export async function* completeMetered(
  backend: InferenceBackend,
  settings: CompletionSettings,
  { question, summary, history, passages, canary }: PassedPrompt<Passage>,
  promptTokens: number,
  counter: TokenCounter,
  allowance: AnswerAllowance,
  signal: AbortSignal,
  report: ReportUsage,
): AsyncGenerator<CompletionPart> {
  // A back end gets what the prompt shows and not what lies behind a passage: its chunk was not cleaned.
  const shown = passages.map(({ label, title, text, score }) => ({ label, title, text, score }));
  let completionTokens = 0;
  // Of attempts that failed and yet cost something. The call is one, and so is its row: all that was billed for it is in it.
  let lost: CallUsage = { promptTokens: 0, completionTokens: 0 };
  // Counts if the caller goes away before the first word: the provider reads the prompt all the same.
  report({ promptTokens, completionTokens });
  try {
    for await (const event of backend.complete({ ...settings, question, ...(summary === undefined ? {} : { summary }), history, passages: shown, canary }, signal)) {
      if (event.kind === "USAGE") {
        lost = sumOf(lost, event.usage);
        // After words the failure follows, which adds nothing. Before any word another attempt may, which reads the prompt again.
        report(completionTokens > 0 ? lost : sumOf(lost, { promptTokens, completionTokens }));
        continue;
      }
      if (event.kind === "DELTA") completionTokens += counter.count(event.text);
      report(sumOf(lost, event.kind === "DONE" ? event.usage : { promptTokens, completionTokens }));
      yield event;
      if (event.kind === "DELTA" && !(await allowance.covers(completionTokens))) {
        // What came is delivered and paid for. Leaving the loop ends the model's stream.
        return yield { kind: "DONE", finishReason: "LENGTH", usage: { promptTokens, completionTokens }, cited: [] };
      }
    }
  } catch (error) {
    // A call that failed before it gave anything is not billed by providers, and not here, unless they say so.
    if (!signal.aborted && completionTokens === 0) report(lost);
    throw error;
  }
}

function sumOf(lost: CallUsage, usage: CallUsage): CallUsage {
  if (lost.promptTokens + lost.completionTokens === 0) return usage;
  const part = (name: "cachedPromptTokens" | "reasoningTokens"): object => (lost[name] ?? usage[name]) === undefined ? {} : { [name]: (lost[name] ?? 0) + (usage[name] ?? 0) };
  return { promptTokens: lost.promptTokens + usage.promptTokens, completionTokens: lost.completionTokens + usage.completionTokens, ...part("cachedPromptTokens"), ...part("reasoningTokens") };
}

/** Hands on what the output guard lets out, and ends with the whole of it. `onFirst`: told when the model begins to speak. */
export async function* guardAnswer(events: AsyncIterable<CompletionPart>, guard: AnswerGuard, onFirst?: () => void): AsyncGenerator<AnswerEvent, Completed | Refusal> {
  let text = "";
  let done: Extract<CompletionPart, { kind: "DONE" }> | undefined;
  // The stream is read to its end, after `DONE` too: leaving it early would count as an abort.
  for await (const event of events) {
    onFirst?.();
    if (event.kind === "DONE") done = event;
    const released = event.kind === "DONE" ? guard.flush() : guard.push(event.text);
    if (isRefusal(released)) return released;
    text += released;
    if (released !== "") yield { kind: "DELTA", text: released };
  }
  if (done === undefined) throw internal("A model's answer ended without its end");
  return { text, finishReason: done.finishReason, cited: done.cited };
}
