import { z } from "zod";
import type { FinishReason, TokenUsage } from "./inference-backend.js";
import { ModelFailure } from "./model-failure.js";
import { parseUsageFrame } from "./usage-frame.js";

const frameSchema = z
  .object({
    error: z.unknown().optional(),
    choices: z
      .array(z.object({ delta: z.object({ content: z.string().nullish(), refusal: z.string().nullish() }).nullish(), finish_reason: z.string().nullish() }))
      .nullish(),
    usage: z.unknown().optional(),
  })
  // What has none of them is no chunk: a damaged one, or an error in a form of the provider's own. Passed over, the answer would have a hole.
  .refine(({ error, choices, usage }) => error !== undefined || choices !== undefined || usage !== undefined);

/** Providers' ways to say that an answer is not whole though they end it in good order. */
const withheldReasons: ReadonlySet<string> = new Set(["content_filter", "error", "insufficient_system_resource"]);
const lengthReasons: ReadonlySet<string> = new Set(["length", "max_tokens"]);

export interface ChatFrame {
  /** Empty if it brings no words. */
  readonly text: string;
  readonly finishReason: Exclude<FinishReason, "ABSTAINED"> | undefined;
  readonly usage: TokenUsage | undefined;
}

/** One chunk of a chat completion. Throws a `ModelFailure`. */
export function parseChatFrame(data: string): ChatFrame {
  const parsed = frameSchema.safeParse(parseJson(data));
  if (!parsed.success) throw new ModelFailure("MALFORMED", "The model sent a frame that is no chat completion chunk", { cause: parsed.error });
  const { error, choices, usage } = parsed.data;
  if (error !== undefined && error !== null) throw new ModelFailure("REPORTED", "The model reported an error within its answer");
  const choice = choices?.[0];
  return {
    text: choice?.delta?.content ?? choice?.delta?.refusal ?? "",
    finishReason: finishReasonOf(choice?.finish_reason ?? undefined),
    usage: parseUsageFrame(usage),
  };
}

function finishReasonOf(said: string | undefined): ChatFrame["finishReason"] {
  if (said === undefined) return undefined;
  if (withheldReasons.has(said)) throw new ModelFailure("WITHHELD", "The model's provider cut the answer off");
  return lengthReasons.has(said) ? "LENGTH" : "STOP";
}

function parseJson(data: string): unknown {
  try {
    return JSON.parse(data);
  } catch (error) {
    throw new ModelFailure("MALFORMED", "The model sent a frame that is not JSON", { cause: error });
  }
}
