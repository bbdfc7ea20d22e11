import { internal } from "../kernel/errors.js";
import { parseChatFrame } from "./chat-frame.js";
import { buildMessages, citedLabels, type ChatMessage } from "./chat-prompt.js";
import { FrameStream, type StreamTimeouts } from "./frame-stream.js";
import type { CompletionEvent, CompletionRequest, FinishReason, InferenceBackend, TokenUsage } from "./inference-backend.js";
import { ModelConnections } from "./model-connections.js";
import { ModelFailure } from "./model-failure.js";
import type { TokenCounter } from "./token-counter.js";

export interface OpenAiChatOptions {
  /** Up to and with the version, such as `https://models.example.com/v1`. */
  readonly baseUrl: string;
  readonly apiKey?: string;
  readonly models: readonly string[];
  readonly timeouts?: Partial<StreamTimeouts>;
  /** The server keeps prefixes of prompts and separates them by `cache_salt`, as vLLM does. */
  readonly cacheSalt?: boolean;
  /** What each request carries so that its trace goes on at the server. Asked when it is sent. */
  readonly traceHeaders?: () => Readonly<Record<string, string>>;
}

/** The first byte well below a request's 30 s, so that silence is told from slowness. */
const timeoutsDefault: StreamTimeouts = { connectMs: 3_000, firstByteMs: 20_000, idleMs: 20_000 };

/** A token that a chat format adds to every message for its role and bounds. */
const tokensPerMessage = 4;

/** How far an answer may pass `max_tokens` by our count before it is cut: providers' tokenizers differ from ours by some percent. */
const overrunFactor = 1.25;
const overrunTokens = 32;

/** Any server that speaks `/chat/completions` with streaming: one attempt a call. Keeps nothing between calls but open connections. */
export class OpenAiChat implements InferenceBackend {
  readonly models: readonly string[];
  readonly timeouts: StreamTimeouts;

  constructor(
    private readonly options: OpenAiChatOptions,
    private readonly counter: TokenCounter,
    private readonly connections: Pick<ModelConnections, "isTls" | "post" | "close"> = new ModelConnections(options.baseUrl),
  ) {
    this.models = options.models;
    this.timeouts = { ...timeoutsDefault, ...options.timeouts };
  }

  /** Throws a `ModelFailure`, after a `USAGE` event if the server said what the failed call cost, or the signal's reason. */
  async *complete(request: CompletionRequest, signal: AbortSignal): AsyncGenerator<CompletionEvent> {
    signal.throwIfAborted();
    const messages = buildMessages(request);
    const stream = new FrameStream(this.connections.post(this.#bodyOf(request, messages), this.#headers()), this.connections.isTls, this.timeouts, signal);
    let text = "";
    let finishReason: FinishReason | undefined;
    let usage: TokenUsage | undefined;
    let received = 0;
    try {
      for (;;) {
        const data = await stream.next();
        if (data === undefined) break;
        const frame = parseChatFrame(data);
        // Before its words: a frame may bring both, and whoever leaves at the words has this one's finish.
        finishReason = frame.finishReason ?? finishReason;
        usage = frame.usage ?? usage;
        if (frame.text === "") continue;
        text += frame.text;
        yield { kind: "DELTA", text: frame.text };
        received += this.counter.count(frame.text);
        // A server that ignores max_tokens would otherwise write on until the deadline, at the tenant's cost.
        if (received > request.maxTokens * overrunFactor + overrunTokens) {
          return yield { kind: "DONE", finishReason: "LENGTH", usage: usage ?? this.#counted(messages, text), cited: citedLabels(text, request) };
        }
      }
    } catch (error) {
      if (usage !== undefined && error instanceof ModelFailure) yield { kind: "USAGE", usage };
      throw error;
    } finally {
      stream.close();
    }
    yield { kind: "DONE", finishReason: finishReason ?? "STOP", usage: usage ?? this.#counted(messages, text), cited: citedLabels(text, request) };
  }

  close(): void {
    this.connections.close();
  }

  #headers(): Readonly<Record<string, string>> {
    const { apiKey, traceHeaders } = this.options;
    return { ...traceHeaders?.(), ...(apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` }) };
  }

  #bodyOf(request: CompletionRequest, messages: readonly ChatMessage[]): string {
    return JSON.stringify({
      model: request.model,
      messages,
      max_tokens: request.maxTokens,
      stream: true,
      stream_options: { include_usage: true },
      user: request.userTag,
      ...this.#saltOf(request),
    });
  }

  /** Without its salt a call would share the server's prefix cache with every tenant, and its timing would tell what others asked. */
  #saltOf({ cacheSalt }: CompletionRequest): object {
    if (this.options.cacheSalt !== true) return {};
    if (cacheSalt === undefined) throw internal("A call for an endpoint that salts its cache has no salt");
    return { cache_salt: cacheSalt };
  }

  /** For servers that leave usage out: what was sent and received, counted here. Never zero, which would be free. */
  #counted(messages: readonly ChatMessage[], answer: string): TokenUsage {
    const promptTokens = messages.reduce((total, message) => total + this.counter.count(message.content) + tokensPerMessage, 0);
    return { promptTokens, completionTokens: this.counter.count(answer) };
  }
}
