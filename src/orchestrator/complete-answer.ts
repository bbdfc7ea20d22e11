import type { CompletionEvent, CompletionRequest, InferenceBackend } from "../inference/inference-backend.js";
import type { TokenCounter } from "../inference/token-counter.js";
import type { ReportUsage } from "../metering/door.js";

/**
 * A completion that tells the door after every part what it has cost so far, so that an answer
 * dropped just before its end is not free. The provider's own figures replace the count when they come.
 */
export async function* completeMetered(
  backend: InferenceBackend,
  request: CompletionRequest,
  promptTokens: number,
  counter: TokenCounter,
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
    }
  } catch (error) {
    // A call that failed before it gave anything is not billed by providers, and not here.
    if (!signal.aborted && completionTokens === 0) report({ promptTokens: 0, completionTokens: 0 });
    throw error;
  }
}
