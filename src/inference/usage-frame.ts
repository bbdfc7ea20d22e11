import { z } from "zod";
import type { TokenUsage } from "./inference-backend.js";

const count = z.int().min(0);
const part = count.nullish().transform((value) => value ?? 0);

/** `/chat/completions`, and what speaks it. */
const openAi = z
  .object({
    prompt_tokens: count,
    completion_tokens: count,
    total_tokens: count.nullish(),
    prompt_tokens_details: z.object({ cached_tokens: part }).nullish(),
    completion_tokens_details: z.object({ reasoning_tokens: part }).nullish(),
  })
  .transform((usage) => {
    // xAI and Gemini leave the reasoning out of `completion_tokens`, and Gemini does not even name it; the total tells.
    const said = usage.prompt_tokens + usage.completion_tokens;
    const unsaid = Math.max(0, (usage.total_tokens ?? said) - said);
    return tokenUsage({
      prompt: usage.prompt_tokens,
      completion: usage.completion_tokens + unsaid,
      cached: usage.prompt_tokens_details?.cached_tokens ?? 0,
      reasoning: Math.max(usage.completion_tokens_details?.reasoning_tokens ?? 0, unsaid),
    });
  });

/** Anthropic's: the cache's parts are beside `input_tokens`, not inside. What was written to the cache is priced as prompt. */
const anthropic = z
  .object({ input_tokens: count, output_tokens: count, cache_creation_input_tokens: part, cache_read_input_tokens: part })
  .transform((usage) => tokenUsage({
    prompt: usage.input_tokens + usage.cache_creation_input_tokens + usage.cache_read_input_tokens,
    completion: usage.output_tokens,
    cached: usage.cache_read_input_tokens,
    reasoning: 0,
  }));

/** Google's: thoughts are beside the candidates and what tools read beside the prompt; the cached part is inside it. */
const google = z
  .object({ promptTokenCount: count, candidatesTokenCount: part, thoughtsTokenCount: part, toolUsePromptTokenCount: part, cachedContentTokenCount: part })
  .transform((usage) => tokenUsage({
    prompt: usage.promptTokenCount + usage.toolUsePromptTokenCount,
    completion: usage.candidatesTokenCount + usage.thoughtsTokenCount,
    cached: usage.cachedContentTokenCount,
    reasoning: usage.thoughtsTokenCount,
  }));

const usageFrame = z.union([openAi, anthropic, google]);

/**
 * What a provider says was used, with the cached part inside the prompt and the reasoning inside the
 * completion, however it reports them. A zero is believed. Undefined when it is none of the forms:
 * then the tokens are counted here, since an answer must be neither lost nor free over its bill.
 */
export function parseUsageFrame(frame: unknown): TokenUsage | undefined {
  // Every frame of a stream but the last has none, and to be told so by three schemas costs more than the frame.
  if (frame === undefined || frame === null) return undefined;
  const parsed = usageFrame.safeParse(frame);
  return parsed.success ? parsed.data : undefined;
}

function tokenUsage({ prompt, completion, cached, reasoning }: { prompt: number; completion: number; cached: number; reasoning: number }): TokenUsage {
  return {
    promptTokens: prompt,
    completionTokens: completion,
    ...(cached > 0 ? { cachedPromptTokens: cached } : {}),
    ...(reasoning > 0 ? { reasoningTokens: reasoning } : {}),
  };
}
