import type { LazyTokenCounter } from "../inference/token-counter.js";
import type { Deadline } from "../kernel/deadline.js";
import { badUserInput } from "../kernel/errors.js";
import { pageSizeMax } from "../kernel/page.js";
import { isRefusal, type Refusal } from "../kernel/refusal.js";
import type { StageClock } from "../kernel/stage-clock.js";
import type { Door } from "../metering/door.js";
import { PendingRows } from "../metering/pending-rows.js";
import { untilAborted } from "../metering/until-aborted.js";
import type { Embedder } from "../retrieval/embedder.js";
import type { RankedPassage, SearchMode, searchPassages } from "../retrieval/search-passages.js";
import type { TenantRouter } from "../routing/tenant-router.js";
import type { SearchFilter } from "../storage/narrowing-filter.js";
import type { TenantContext } from "../tenancy/tenant-context.js";
import { checkText } from "./ask-plan.js";
import { embedQuestion } from "./embed-question.js";

export interface SearchDocumentsInput {
  readonly query: string;
  readonly first: number;
  readonly filter: SearchFilter;
  readonly mode: SearchMode;
}

export interface SearchHits {
  readonly kind: "HITS";
  readonly hits: readonly RankedPassage[];
}

export interface SearchDocumentsParts {
  readonly door: Door;
  readonly router: Pick<TenantRouter, "read">;
  readonly embedder: Embedder;
  readonly search: typeof searchPassages;
  readonly counter: LazyTokenCounter;
}

/** Finds passages without asking a model for words. Only the query's embedding is spent, and in `TEXT` mode nothing. */
export class SearchDocuments {
  constructor(private readonly parts: SearchDocumentsParts) {}

  /** Throws `BAD_USER_INPUT` before anything is spent, or the deadline's reason. */
  async run(context: TenantContext, deadline: Deadline, input: SearchDocumentsInput, path: string): Promise<SearchHits | Refusal> {
    const text = checkText("query", input.query, context.policy.maxQuestionChars);
    const { first: limit, filter, mode } = input;
    if (!Number.isInteger(limit) || limit < 1 || limit > pageSizeMax) throw badUserInput("first", String(limit), `a whole number from 1 to ${pageSizeMax}`);
    const rows = new PendingRows();
    const clock = deadline.clock.part("embed");
    try {
      const vector = mode === "TEXT" ? undefined : await this.#embed(context, deadline, text, path, rows, clock);
      if (isRefusal(vector)) return vector;
      clock.enter("search");
      const query = { text, mode, limit, filter, ...(vector === undefined ? {} : { vector }) };
      const hits = await untilAborted(this.parts.router.read(context, deadline, (store) => this.parts.search(store, query)), deadline.signal);
      return { kind: "HITS", hits };
    } finally {
      await clock.time("settle", () => rows.written());
      clock.end();
    }
  }

  async #embed(context: TenantContext, deadline: Deadline, text: string, path: string, rows: PendingRows, clock: StageClock): Promise<Float32Array | Refusal> {
    const { door, embedder, counter } = this.parts;
    await counter.load();
    const call = { operation: "search", path, callNumber: 0, reserveTokens: Math.max(1, counter.count(text)), rows, clock };
    return embedQuestion(door, embedder, context, deadline, text, call);
  }
}
