import { z } from "zod";
import { BulkheadError, upstreamFailed } from "../kernel/errors.js";

export interface FineTuningConfig {
  /** Up to and with the version, such as `https://models.example.com/v1`. */
  readonly baseUrl: string;
  readonly apiKey?: string;
}

export type TrainingState =
  | { readonly kind: "RUNNING" }
  /** `trainedTokens`: what was billed; undefined where the provider does not say. */
  | { readonly kind: "SUCCEEDED"; readonly model: string; readonly trainedTokens: number | undefined }
  | { readonly kind: "FAILED"; readonly trainedTokens: number | undefined };

/** The provider will not do it, however often it is asked. */
export class FineTuningRefused extends BulkheadError {
  constructor(readonly status: number) {
    super("UPSTREAM_FAILED", `The fine-tuning endpoint refused with status ${status}`);
  }
}

const requestMsMax = 60_000;
const pageSize = 100;
/** How far the provider's clock may be behind ours. */
const clockSlackMs = 24 * 60 * 60 * 1_000;

/** In seconds since 1970; a provider that leaves it out is looked through to its end. */
const createdAt = z.number().nullish();
const fileSchema = z.object({ id: z.string().min(1), created_at: createdAt, filename: z.string().optional() });
const jobSchema = z.object({ id: z.string().min(1), created_at: createdAt, status: z.string(), training_file: z.string().nullish(), fine_tuned_model: z.string().nullish(), trained_tokens: z.int().min(0).nullish() });
const listOf = <Item extends z.ZodType>(item: Item) => z.object({ data: z.array(item), has_more: z.boolean().optional() });

const failedStates: ReadonlySet<string> = new Set(["failed", "cancelled"]);

/**
 * OpenAI's `/files` and `/fine_tuning/jobs`. Never retries: its caller keeps the state and the pauses.
 * Every method throws `UPSTREAM_FAILED`, as `FineTuningRefused` where asking again is of no use. What
 * the provider says in words is passed on to nobody: it may quote a tenant's text.
 */
export class FineTuningClient {
  readonly #base: string;

  constructor(private readonly config: FineTuningConfig) {
    this.#base = config.baseUrl.replace(/\/+$/u, "");
  }

  get baseUrl(): string {
    return this.#base;
  }

  async uploadFile(name: string, jsonLines: string, signal: AbortSignal): Promise<string> {
    const form = new FormData();
    form.set("purpose", "fine-tune");
    form.set("file", new Blob([jsonLines], { type: "application/jsonl" }), name);
    return (await this.#ask("POST", "/files", fileSchema, signal, form)).id;
  }

  /** A file of this very name that was sent after `since`, if there is one. */
  async findFile(name: string, since: Date, signal: AbortSignal): Promise<string | undefined> {
    return (await this.#find("/files", { purpose: "fine-tune", order: "desc" }, fileSchema, since, ({ filename }) => filename === name, signal))?.id;
  }

  /** Harmless when there is none. */
  async deleteFile(id: string, signal: AbortSignal): Promise<void> {
    await this.#gone("DELETE", `/files/${encodeURIComponent(id)}`, signal);
  }

  /** `epochs`: how often the file is gone through, and billed. Left to the provider it would bound no cost. */
  async startJob(model: string, fileId: string, epochs: number, signal: AbortSignal): Promise<string> {
    return (await this.#ask("POST", "/fine_tuning/jobs", jobSchema, signal, { model, training_file: fileId, hyperparameters: { n_epochs: epochs } })).id;
  }

  /** The job that was started for this file after `since`, if there is one. */
  async findJob(fileId: string, since: Date, signal: AbortSignal): Promise<string | undefined> {
    return (await this.#find("/fine_tuning/jobs", {}, jobSchema, since, ({ training_file: file }) => file === fileId, signal))?.id;
  }

  async jobState(id: string, signal: AbortSignal): Promise<TrainingState> {
    const { status, fine_tuned_model: model, trained_tokens: trained } = await this.#ask("GET", `/fine_tuning/jobs/${encodeURIComponent(id)}`, jobSchema, signal);
    const trainedTokens = trained ?? undefined;
    if (status === "succeeded") return typeof model === "string" && model !== "" ? { kind: "SUCCEEDED", model, trainedTokens } : { kind: "FAILED", trainedTokens };
    return failedStates.has(status) ? { kind: "FAILED", trainedTokens } : { kind: "RUNNING" };
  }

  /** Harmless when it has ended, or is not there. */
  async cancelJob(id: string, signal: AbortSignal): Promise<void> {
    await this.#gone("POST", `/fine_tuning/jobs/${encodeURIComponent(id)}/cancel`, signal);
  }

  /** Deletes a model that was trained. Harmless when there is none. */
  async deleteModel(model: string, signal: AbortSignal): Promise<void> {
    await this.#gone("DELETE", `/models/${encodeURIComponent(model)}`, signal);
  }

  /** Through a list that has the newest first, until it is older than what is looked for. An account may hold any number of others. */
  async #find<Item extends { readonly id: string; readonly created_at?: number | null | undefined }>(path: string, query: Readonly<Record<string, string>>, schema: z.ZodType<Item>, since: Date, isIt: (item: Item) => boolean, signal: AbortSignal): Promise<Item | undefined> {
    const oldestSeconds = (since.getTime() - clockSlackMs) / 1_000;
    let after: string | undefined;
    for (;;) {
      const search = new URLSearchParams({ ...query, limit: String(pageSize), ...(after === undefined ? {} : { after }) });
      const { data, has_more: hasMore } = await this.#ask("GET", `${path}?${search.toString()}`, listOf(schema), signal);
      const found = data.find(isIt);
      const last = data.at(-1);
      // A whole page and not its last item: two of the same moment may stand in either order.
      if (found !== undefined || hasMore !== true || last === undefined || data.every(({ created_at: at }) => typeof at === "number" && at < oldestSeconds)) return found;
      // Not "there is none": a second job would cost money. And not for ever: the list does not go on.
      if (last.id === after) throw upstreamFailed("The fine-tuning endpoint sends the same page of its list again");
      after = last.id;
    }
  }

  /** What is gone, or has ended, is as it should be. */
  async #gone(method: "POST" | "DELETE", path: string, signal: AbortSignal): Promise<void> {
    try {
      await this.#ask(method, path, z.unknown(), signal);
    } catch (error) {
      if (!(error instanceof FineTuningRefused) || ![400, 404, 409, 410].includes(error.status)) throw error;
    }
  }

  async #ask<Answer>(method: "GET" | "POST" | "DELETE", path: string, schema: z.ZodType<Answer>, signal: AbortSignal, body?: FormData | object): Promise<Answer> {
    const { apiKey } = this.config;
    const isForm = body instanceof FormData;
    const headers = { ...(apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` }), ...(body === undefined || isForm ? {} : { "content-type": "application/json" }) };
    try {
      const ends = AbortSignal.any([signal, AbortSignal.timeout(requestMsMax)]);
      // A redirect would take the training data and the key elsewhere.
      const response = await fetch(`${this.#base}${path}`, { method, headers, signal: ends, redirect: "error", ...(body === undefined ? {} : { body: isForm ? body : JSON.stringify(body) }) });
      if (!response.ok) {
        await response.body?.cancel();
        throw isRefusal(response.status) ? new FineTuningRefused(response.status) : upstreamFailed(`The fine-tuning endpoint answered ${response.status}`);
      }
      const parsed = schema.safeParse(response.status === 204 ? undefined : await response.json());
      if (!parsed.success) throw upstreamFailed("The fine-tuning endpoint sent an answer of another shape than OpenAI's");
      return parsed.data;
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof BulkheadError) throw error;
      throw upstreamFailed("The fine-tuning endpoint could not be reached or broke off", error);
    }
  }
}

/** Time-outs, conflicts, limits and faults of the server may pass; a wrong key does not by itself, but a person can put it right. */
function isRefusal(status: number): boolean {
  return status >= 400 && status < 500 && ![401, 403, 408, 409, 425, 429].includes(status);
}
