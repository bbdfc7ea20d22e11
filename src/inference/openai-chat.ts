import { z } from "zod";
import { BulkheadError, upstreamFailed } from "../kernel/errors.js";
import { readFrames, streamStalled } from "./chat-frames.js";
import { buildMessages, citedLabels, type ChatMessage } from "./chat-prompt.js";
import type { CompletionEvent, CompletionRequest, InferenceBackend, TokenUsage } from "./inference-backend.js";
import type { TokenCounter } from "./token-counter.js";
import { parseUsageFrame } from "./usage-frame.js";

export interface OpenAiChatOptions {
  /** Up to and with the version, such as `https://models.example.com/v1`. */
  readonly baseUrl: string;
  readonly apiKey?: string;
  readonly models: readonly string[];
  /** Longest silence between two parts of a response, and until its first. */
  readonly idleMs?: number;
}

/** Reasoning models are silent for long before their first word. Below a request's 30 s, so that silence is told from slowness. */
const idleMsDefault = 20_000;

/** A token that a chat format adds to every message for its role and bounds. */
const tokensPerMessage = 4;

/** How far an answer may pass `max_tokens` by our count before it is cut: providers' tokenizers differ from ours by some percent. */
const overrunFactor = 1.25;
const overrunTokens = 32;

const frameSchema = z.object({
  error: z.unknown().optional(),
  choices: z
    .array(z.object({ delta: z.object({ content: z.string().nullish(), refusal: z.string().nullish() }).nullish(), finish_reason: z.string().nullish() }))
    .nullish(),
  usage: z.unknown().optional(),
});

/** Any server that speaks `/chat/completions` with streaming. Keeps nothing between calls. */
export class OpenAiChat implements InferenceBackend {
  readonly models: readonly string[];
  readonly #idleMs: number;

  constructor(private readonly options: OpenAiChatOptions, private readonly counter: TokenCounter) {
    this.models = options.models;
    this.#idleMs = options.idleMs ?? idleMsDefault;
  }

  /** Throws `UPSTREAM_FAILED`, `STREAM_STALLED`, `STREAM_TRUNCATED`, or the signal's reason. */
  async *complete(request: CompletionRequest, signal: AbortSignal): AsyncGenerator<CompletionEvent> {
    const messages = buildMessages(request);
    const body = await this.#open(request, messages, signal);
    let text = "";
    let finishReason: string | undefined;
    let usage: TokenUsage | undefined;
    let isDone = false;
    let received = 0;
    for await (const data of readFrames(body, this.#idleMs, signal)) {
      isDone = data.trim() === "[DONE]";
      if (isDone) break;
      const frame = parseFrame(data);
      const choice = frame.choices?.[0];
      finishReason = choice?.finish_reason ?? finishReason;
      const delta = choice?.delta?.content ?? choice?.delta?.refusal ?? "";
      if (delta !== "") {
        text += delta;
        yield { kind: "DELTA", text: delta };
        received += this.counter.count(delta);
      }
      // A server that ignores max_tokens would otherwise write on until the deadline, at the tenant's cost.
      if (received > request.maxTokens * overrunFactor + overrunTokens) {
        finishReason = "length";
        break;
      }
      usage = parseUsageFrame(frame.usage) ?? usage;
    }
    // A connection that just ends looks like the end of a short answer; only one of these says it is whole.
    if (!isDone && finishReason === undefined) throw new BulkheadError("STREAM_TRUNCATED", "The model's answer ended before it was complete", { retryable: true });
    yield {
      kind: "DONE",
      finishReason: finishReason === "length" ? "LENGTH" : "STOP",
      usage: usage ?? this.#counted(messages, text),
      cited: citedLabels(text, request),
    };
  }

  async #open(request: CompletionRequest, messages: readonly ChatMessage[], signal: AbortSignal): Promise<ReadableStream<Uint8Array>> {
    const idle = new AbortController();
    const timer = setTimeout(() => idle.abort(streamStalled(this.#idleMs)), this.#idleMs);
    try {
      const response = await fetch(`${this.options.baseUrl.replace(/\/+$/u, "")}/chat/completions`, {
        method: "POST",
        headers: {
          "content-type": "application/json",
          accept: "text/event-stream",
          ...(this.options.apiKey === undefined ? {} : { authorization: `Bearer ${this.options.apiKey}` }),
        },
        body: JSON.stringify({
          model: request.model,
          messages,
          max_tokens: request.maxTokens,
          stream: true,
          stream_options: { include_usage: true },
          user: request.userTag,
        }),
        // A redirect would carry the prompt, and on some hosts the key, to another place.
        redirect: "error",
        signal: AbortSignal.any([signal, idle.signal]),
      });
      return await checkedBody(response);
    } catch (error) {
      signal.throwIfAborted();
      idle.signal.throwIfAborted();
      throw error instanceof BulkheadError ? error : upstreamFailed("The model cannot be reached", error);
    } finally {
      clearTimeout(timer);
    }
  }

  /** For servers that leave usage out: what was sent and received, counted here. Never zero, which would be free. */
  #counted(messages: readonly ChatMessage[], answer: string): TokenUsage {
    const promptTokens = messages.reduce((total, message) => total + this.counter.count(message.content) + tokensPerMessage, 0);
    return { promptTokens, completionTokens: this.counter.count(answer) };
  }
}

async function checkedBody(response: Response): Promise<ReadableStream<Uint8Array>> {
  const { body, status } = response;
  const mediaType = response.headers.get("content-type") ?? "none";
  // Neither the body nor the URL goes into the message: providers echo keys and prompts in both.
  if (response.ok && body !== null && /^text\/event-stream\b/iu.test(mediaType)) return body;
  await body?.cancel();
  if (!response.ok) throw upstreamFailed(`The model answered with HTTP status ${status}`);
  throw upstreamFailed(`The model answered with media type ${mediaType.slice(0, 64)}, expected text/event-stream`);
}

function parseFrame(data: string): z.infer<typeof frameSchema> {
  const frame = frameSchema.safeParse(parseJson(data));
  if (!frame.success) throw upstreamFailed("The model sent a frame that is no chat completion chunk", frame.error);
  if (frame.data.error !== undefined && frame.data.error !== null) throw upstreamFailed("The model reported an error within its answer");
  return frame.data;
}

function parseJson(data: string): unknown {
  try {
    return JSON.parse(data);
  } catch (error) {
    throw upstreamFailed("The model sent a frame that is not JSON", error);
  }
}
