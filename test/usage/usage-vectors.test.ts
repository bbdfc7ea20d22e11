import { describe, expect, it } from "vitest";
import { parseUsageFrame } from "../../src/inference/usage-frame.js";
import { PriceBook } from "../../src/usage/price-book.js";

/** Told apart by every part: a token priced as the wrong part changes the sum. */
const book = PriceBook.parse({
  versions: [
    {
      version: "2026-01-01",
      effectiveFrom: "2026-01-01",
      models: { "*": { promptMicroUsdPerMillionTokens: 1_000_000, cachedPromptMicroUsdPerMillionTokens: 100_000, completionMicroUsdPerMillionTokens: 10_000_000, reasoningMicroUsdPerMillionTokens: 5_000_000 } },
      embedding: { "*": { microUsdPerMillionTokens: 1 } },
      guardrail: { "*": { microUsdPerMillionTokens: 1 } },
      cacheHit: { "*": { microUsdPerHit: 1 } },
    },
  ],
});

/** Frames as the providers send them; sources: their API references, and payloads quoted in public threads. */
const vectors = [
  {
    name: "OpenAI: cached inside the prompt, reasoning inside the completion",
    frame: { prompt_tokens: 1_486, completion_tokens: 651, total_tokens: 2_137, prompt_tokens_details: { cached_tokens: 1_408, audio_tokens: 0 }, completion_tokens_details: { reasoning_tokens: 512, audio_tokens: 0, accepted_prediction_tokens: 0, rejected_prediction_tokens: 0 } },
    usage: { promptTokens: 1_486, completionTokens: 651, cachedPromptTokens: 1_408, reasoningTokens: 512 },
    costMicroUsd: 78 + 140.8 + 1_390 + 2_560,
  },
  {
    name: "OpenAI-compatible without details",
    frame: { prompt_tokens: 123, completion_tokens: 7, total_tokens: 130 },
    usage: { promptTokens: 123, completionTokens: 7 },
    costMicroUsd: 123 + 70,
  },
  {
    name: "xAI: reasoning beside the completion",
    frame: { prompt_tokens: 12, completion_tokens: 1, total_tokens: 399, completion_tokens_details: { reasoning_tokens: 386 } },
    usage: { promptTokens: 12, completionTokens: 387, reasoningTokens: 386 },
    costMicroUsd: 12 + 10 + 1_930,
  },
  {
    name: "Gemini through its OpenAI door: thoughts only in the total",
    frame: { completion_tokens: 102, prompt_tokens: 758, total_tokens: 1_725 },
    usage: { promptTokens: 758, completionTokens: 967, reasoningTokens: 865 },
    costMicroUsd: 758 + 1_020 + 4_325,
  },
  {
    name: "Anthropic: the cache beside the input",
    frame: { input_tokens: 21, cache_creation_input_tokens: 188, cache_read_input_tokens: 2_000, output_tokens: 393 },
    usage: { promptTokens: 2_209, completionTokens: 393, cachedPromptTokens: 2_000 },
    costMicroUsd: 209 + 200 + 3_930,
  },
  {
    name: "Google: thoughts beside the candidates, the cached part inside the prompt",
    frame: { promptTokenCount: 1_000, candidatesTokenCount: 50, thoughtsTokenCount: 60, toolUsePromptTokenCount: 30, cachedContentTokenCount: 400, totalTokenCount: 1_140 },
    usage: { promptTokens: 1_030, completionTokens: 110, cachedPromptTokens: 400, reasoningTokens: 60 },
    costMicroUsd: 630 + 40 + 500 + 300,
  },
  {
    name: "Google: thoughts and not one word",
    frame: { promptTokenCount: 21, thoughtsTokenCount: 60, totalTokenCount: 81 },
    usage: { promptTokens: 21, completionTokens: 60, reasoningTokens: 60 },
    costMicroUsd: 21 + 300,
  },
];

describe("a provider's usage frame is priced by its parts, none twice and none free (B16)", () => {
  it.each(vectors)("$name", ({ frame, usage, costMicroUsd }) => {
    const parsed = parseUsageFrame(frame);
    expect(parsed).toEqual(usage);
    expect(book.price("COMPLETION", "m", parsed ?? { promptTokens: 0, completionTokens: 0 }, new Date("2026-06-01")).costMicroUsd).toBe(Math.ceil(costMicroUsd));
  });
});

describe("a usage frame (B7)", () => {
  it.each([
    ["OpenAI", { prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 }],
    ["Anthropic", { input_tokens: 0, output_tokens: 0 }],
    ["Google", { promptTokenCount: 0 }],
  ])("of %s that says zero is believed: it is not a missing one", (_who, frame) => {
    expect(parseUsageFrame(frame)).toEqual({ promptTokens: 0, completionTokens: 0 });
  });

  it.each([
    ["is missing", undefined],
    ["is null, as in every chunk but the last", null],
    ["has no field we know", { tokens: 7 }],
    ["has half of its fields", { prompt_tokens: 7 }],
    ["counts below zero", { prompt_tokens: -7, completion_tokens: 1 }],
    ["counts broken tokens", { prompt_tokens: 7.5, completion_tokens: 1 }],
  ])("that %s is no usage, so that the tokens are counted here", (_what, frame) => {
    expect(parseUsageFrame(frame)).toBeUndefined();
  });

  it("with a total below its parts takes nothing off them", () => {
    expect(parseUsageFrame({ prompt_tokens: 10, completion_tokens: 5, total_tokens: 3 })).toEqual({ promptTokens: 10, completionTokens: 5 });
  });
});
