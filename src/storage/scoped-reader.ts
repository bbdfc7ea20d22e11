import type { AggregateOptions, ClientSession, Document, ReadConcernLevel, Sort } from "mongodb";
import type { TenantCheck } from "./belongs-to-tenant.js";
import { translating } from "./driver-errors.js";
import { packVector } from "./packed-vector.js";
import { clearRows, type RowSealer } from "./row-sealer.js";
import type { CollectionName, Collections } from "./rows.js";
import type { Narrowing, Scope } from "./scope.js";
import { withKeys } from "./sealing/with-keys.js";
import type { TenantDatabase } from "./transaction.js";

/** Longest that one read may hold the server: a request's deadline is spent well before. */
export const readMsMax = 5_000;

export interface ReadOptions {
  readonly sort?: Sort;
  readonly limit?: number;
  /** Fields that are not wanted. Only left out, never picked: the tenant must come along for the check. */
  readonly without?: readonly string[];
  /** All of it as of one moment: without it a row that changes its place in an index during the read may be seen in neither place. */
  readonly atOnce?: boolean;
}

export interface ReadTuning {
  /** `majority` where a primary may be deposed, `local` on the single node of the embedded engine. */
  readonly readConcern: ReadConcernLevel;
}

/**
 * The only way to read a tenant's collection. Every form adds the scope to what is sent and checks
 * every row that comes back, then opens it; there is no form that takes a pipeline.
 */
export class ScopedReader<Name extends CollectionName> {
  constructor(
    private readonly database: TenantDatabase,
    private readonly name: Name,
    private readonly scope: Scope,
    private readonly check: TenantCheck,
    private readonly tuning: ReadTuning,
    private readonly session?: ClientSession,
  ) {}

  async findOne(narrowing: Narrowing, options: Pick<ReadOptions, "without"> = {}): Promise<Collections[Name] | undefined> {
    const [row] = await this.find(narrowing, { ...options, limit: 1 });
    return row;
  }

  find(narrowing: Narrowing, options: ReadOptions = {}): Promise<readonly Collections[Name][]> {
    return this.#run(async () => {
      const cursor = this.#collection().find(this.scope.filter(narrowing), {
        ...this.#options(options.atOnce),
        ...(options.sort === undefined ? {} : { sort: options.sort }),
        ...(options.limit === undefined ? {} : { limit: options.limit }),
        ...(options.without === undefined ? {} : { projection: exclusion(options.without) }),
      });
      return (await cursor.toArray()).map((row) => this.#opened(row));
    });
  }

  count(narrowing: Narrowing, options: Pick<ReadOptions, "atOnce"> = {}): Promise<number> {
    return this.#run(() => this.#collection().countDocuments(this.scope.filter(narrowing), this.#options(options.atOnce)));
  }

  /** Nearest rows by cosine, best first, scores in 0..1. The tenant is part of the pre-filter, not of a later stage. */
  async nearest(index: string, path: string, vector: Float32Array, limit: number, narrowing: Narrowing, without: readonly string[]): Promise<readonly { row: Collections[Name]; score: number }[]> {
    if (limit < 1) return [];
    const search = {
      $vectorSearch: {
        index,
        path,
        // Packed: an array of doubles would cost more to send and to read than the search itself.
        queryVector: packVector(vector),
        limit,
        ...this.scope.vectorEffort(limit),
        filter: this.scope.filter(narrowing),
      },
    };
    const stages: Document[] = [search, { $addFields: { search_score: { $meta: "vectorSearchScore" } } }, { $project: exclusion(without) }];
    // A vector search is refused under any read concern but local.
    const options: AggregateOptions = { maxTimeMS: readMsMax, readConcern: { level: "local" } };
    return withKeys(this.#sealer, async () => {
      const rows = await translating(() => this.#collection().aggregate(stages, options).toArray());
      return rows.map((found) => {
        const { search_score: score, ...row } = found;
        return { row: this.#opened(row), score: Number(score) };
      });
    });
  }

  get #sealer(): RowSealer {
    return this.database.sealer ?? clearRows;
  }

  #collection() {
    return this.database.db.collection(this.name);
  }

  /** In a transaction the transaction's own read concern holds, and the error must keep the labels that decide on a retry. */
  #run<Value>(work: () => Promise<Value>): Promise<Value> {
    return withKeys(this.#sealer, () => (this.session === undefined ? translating(work) : work()));
  }

  #options(atOnce = false) {
    if (this.session !== undefined) return { session: this.session };
    // The embedded engine reads as of one moment anyway, and knows no `snapshot` outside a transaction.
    const level = atOnce && this.tuning.readConcern === "majority" ? "snapshot" : this.tuning.readConcern;
    return { maxTimeMS: readMsMax, readConcern: { level } };
  }

  /** The check comes first: whether a row of another tenant would open is of no interest. */
  #opened(row: Document): Collections[Name] {
    const checked = this.check.row(row as unknown as Collections[Name], this.name);
    return this.#sealer.open(this.name, checked) as Collections[Name];
  }
}

function exclusion(without: readonly string[]): Record<string, 0> {
  return Object.fromEntries(without.map((field) => [field, 0]));
}
