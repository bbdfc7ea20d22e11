import { z } from "zod";
import { BulkheadError, badUserInput, upstreamFailed } from "../../kernel/errors.js";
import type { Embedder, Embedding } from "../embedder.js";
import { normalise } from "./normalise.js";

export interface OpenAiEmbedderOptions {
  /** Up to and without `/embeddings`, such as `https://models.example.com/v1`. */
  readonly baseUrl: string;
  readonly apiKey?: string;
  readonly model: string;
  readonly dimensions: number;
}

/** The most texts one request of the API takes; more are sent in turn. */
const textsPerRequestMax = 2_048;
/** 2,048 vectors of 4,096 numbers at 20 characters are 168 MB; what is longer is not an answer to what was asked. */
const responseBytesMax = 200_000_000;
/** Enough of an error's body to recognise it; the rest may be the request echoed, which is a tenant's text. */
const errorCharsMax = 200;

const responseSchema = z.object({
  data: z.array(z.object({ index: z.int().nonnegative(), embedding: z.array(z.number()) })),
  usage: z.object({ prompt_tokens: z.int().nonnegative() }).optional(),
});

/** Any server with OpenAI's `POST /embeddings`. Never retries: the caller owns the deadline and the spending. */
export class OpenAiEmbedder implements Embedder {
  readonly model: string;
  readonly dimensions: number;
  readonly #url: string;

  constructor(private readonly options: OpenAiEmbedderOptions) {
    this.model = options.model;
    this.dimensions = options.dimensions;
    this.#url = `${options.baseUrl.replace(/\/+$/, "")}/embeddings`;
  }

  async embed(texts: readonly string[], _lane: "QUESTION" | "INGEST", signal: AbortSignal): Promise<Embedding> {
    if (texts.some((text) => text.trim() === "")) throw badUserInput("text", "nothing but white space", "a text with words");
    const vectors: Float32Array[] = [];
    let tokens = 0;
    for (let start = 0; start < texts.length; start += textsPerRequestMax) {
      const part = await this.#request(texts.slice(start, start + textsPerRequestMax), signal);
      vectors.push(...part.vectors);
      tokens += part.tokens;
    }
    return { vectors, tokens };
  }

  /** Nothing to load; a wrong address shows at the first call. */
  ready(): Promise<void> {
    return Promise.resolve();
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  async #request(texts: readonly string[], signal: AbortSignal): Promise<Embedding> {
    const body = await this.#post({ model: this.model, input: texts, encoding_format: "float" }, signal);
    const parsed = responseSchema.safeParse(body);
    if (!parsed.success) throw upstreamFailed("The embedding server sent a response of another shape than /embeddings has");
    const vectors = inOrder(parsed.data.data, texts.length).map((numbers) => this.#vectorOf(numbers));
    // A server that counts nothing is charged for at four bytes a token, as the ledger must have a number.
    const counted = parsed.data.usage?.prompt_tokens ?? Math.ceil(texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0) / 4);
    return { vectors, tokens: counted };
  }

  async #post(body: object, signal: AbortSignal): Promise<unknown> {
    const { apiKey } = this.options;
    const headers = { "content-type": "application/json", ...(apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` }) };
    try {
      const response = await fetch(this.#url, { method: "POST", headers, body: JSON.stringify(body), signal, redirect: "error" });
      if (!response.ok) throw upstreamFailed(`The embedding server answered ${response.status}`, (await response.text()).slice(0, errorCharsMax));
      if (Number(response.headers.get("content-length") ?? 0) > responseBytesMax) throw upstreamFailed("The embedding server's response is too long");
      return await response.json();
    } catch (error) {
      // A fetch that was aborted rejects with an error of its own; the deadline's reason is the one to report.
      signal.throwIfAborted();
      if (error instanceof BulkheadError) throw error;
      throw upstreamFailed("The embedding server could not be reached or broke off", error);
    }
  }

  #vectorOf(numbers: readonly number[]): Float32Array {
    if (numbers.length !== this.dimensions) {
      throw upstreamFailed(`The embedding server sent ${numbers.length} dimensions, expected ${this.dimensions} (EMBEDDING_DIMENSIONS)`);
    }
    const vector = Float32Array.from(numbers);
    if (!normalise(vector)) throw upstreamFailed("The embedding server sent a vector without direction");
    return vector;
  }
}

/** The API promises an `index` a vector and no order. */
function inOrder(data: readonly { index: number; embedding: readonly number[] }[], expected: number): readonly (readonly number[])[] {
  const ordered: (readonly number[] | undefined)[] = Array.from({ length: expected });
  for (const { index, embedding } of data) ordered[index] = embedding;
  const complete = ordered.filter((embedding) => embedding !== undefined);
  if (complete.length !== expected || data.length !== expected) throw upstreamFailed(`The embedding server sent ${data.length} vectors for ${expected} texts`);
  return complete;
}
