/** A `TenantStore` whose every call goes through the router, wherever the tenant lives at that moment. */
import { Deadline } from "../../src/kernel/deadline.js";
import type { UserId } from "../../src/kernel/ids.js";
import type { TenantRouter } from "../../src/routing/tenant-router.js";
import type { AdapterStore, FeedbackStore } from "../../src/storage/adapter-rows.js";
import type { ChunkStore, ConversationStore, DocumentStore, IdempotencyStore, TenantStore } from "../../src/storage/tenant-store.js";
import type { TenantContext } from "../../src/tenancy/tenant-context.js";

type Work<T> = (store: TenantStore) => Promise<T>;

/** Of one call, as a request has it. */
const callMs = 20_000;

export class MovingStore implements TenantStore {
  /** `pace` is waited for before each call. */
  constructor(private readonly router: TenantRouter, private readonly context: TenantContext, private readonly pace: () => Promise<void>) {}

  get tenantId(): TenantStore["tenantId"] {
    return this.context.tenantId;
  }

  /** Where a store of the pool would say it is; the suite of stores does not ask. */
  readonly home = "POOL";

  readonly documents: DocumentStore = {
    add: (document, caps) => this.#write(({ documents }) => documents.add(document, caps)),
    get: (id) => this.#read(({ documents }) => documents.get(id)),
    getMany: (ids) => this.#read(({ documents }) => documents.getMany(ids)),
    page: (request, filter) => this.#read(({ documents }) => documents.page(request, filter)),
    unfinished: (limit) => this.#read(({ documents }) => documents.unfinished(limit)),
    raw: (id) => this.#read(({ documents }) => documents.raw(id)),
    publish: (id, chunks, embedding, caps) => this.#write(({ documents }) => documents.publish(id, chunks, embedding, caps)),
    markReady: (id, version) => this.#write(({ documents }) => documents.markReady(id, version)),
    markFailed: (id, failure) => this.#write(({ documents }) => documents.markFailed(id, failure)),
    retry: (id) => this.#write(({ documents }) => documents.retry(id)),
    remove: (id) => this.#write(({ documents }) => documents.remove(id)),
    totals: () => this.#read(({ documents }) => documents.totals()),
  };

  readonly chunks: ChunkStore = {
    nearest: (vector, limit, filter) => this.#read(({ chunks }) => chunks.nearest(vector, limit, filter)),
    termFrequencies: (terms) => this.#read(({ chunks }) => chunks.termFrequencies(terms)),
    withAnyTerm: (terms, limit, filter) => this.#read(({ chunks }) => chunks.withAnyTerm(terms, limit, filter)),
    statistics: () => this.#read(({ chunks }) => chunks.statistics()),
    getMany: (ids) => this.#read(({ chunks }) => chunks.getMany(ids)),
    passage: (id) => this.#read(({ chunks }) => chunks.passage(id)),
    isSearchable: (id, version) => this.#read(({ chunks }) => chunks.isSearchable(id, version)),
  };

  conversationsOf(userId: UserId): ConversationStore {
    const of = ({ conversationsOf }: TenantStore): ConversationStore => conversationsOf(userId);
    return {
      start: (title) => this.#write((store) => of(store).start(title)),
      get: (id) => this.#read((store) => of(store).get(id)),
      getMany: (ids) => this.#read((store) => of(store).getMany(ids)),
      page: (request) => this.#read((store) => of(store).page(request)),
      append: (id, turn) => this.#write((store) => of(store).append(id, turn)),
      summarise: (id, covered, summary) => this.#write((store) => of(store).summarise(id, covered, summary)),
      latest: (id, limit) => this.#read((store) => of(store).latest(id, limit)),
      messages: (id, request) => this.#read((store) => of(store).messages(id, request)),
      clear: (id) => this.#write((store) => of(store).clear(id)),
    };
  }

  idempotencyOf(userId: UserId): IdempotencyStore {
    const of = ({ idempotencyOf }: TenantStore): IdempotencyStore => idempotencyOf(userId);
    return {
      look: (key, argumentsSha256) => this.#read((store) => of(store).look(key, argumentsSha256)),
      claim: (key, argumentsSha256, owner, leaseMs) => this.#write((store) => of(store).claim(key, argumentsSha256, owner, leaseMs)),
      renew: (key, owner, leaseMs) => this.#write((store) => of(store).renew(key, owner, leaseMs)),
      release: (key, owner) => this.#write((store) => of(store).release(key, owner)),
      answer: (key, argumentsSha256, answer) => this.#write((store) => of(store).answer(key, argumentsSha256, answer)),
    };
  }

  readonly adapters: AdapterStore = {
    get: (id) => this.#read(({ adapters }) => adapters.get(id)),
    getMany: (ids) => this.#read(({ adapters }) => adapters.getMany(ids)),
    page: (request) => this.#read(({ adapters }) => adapters.page(request)),
    countTraining: () => this.#read(({ adapters }) => adapters.countTraining()),
    add: (adapter, caps) => this.#write(({ adapters }) => adapters.add(adapter, caps)),
    weights: {
      begin: (adapter, caps) => this.#write(({ adapters }) => adapters.weights.begin(adapter, caps)),
      add: (id, ordinal, piece) => this.#write(({ adapters }) => adapters.weights.add(id, ordinal, piece)),
      finish: (id) => this.#write(({ adapters }) => adapters.weights.finish(id)),
      giveUp: (id, owner) => this.#write(({ adapters }) => adapters.weights.giveUp(id, owner)),
      read: (id) => this.#read(({ adapters }) => adapters.weights.read(id)),
    },
    unfinished: () => this.#read(({ adapters }) => adapters.unfinished()),
    claim: (id, owner, leaseMs) => this.#write(({ adapters }) => adapters.claim(id, owner, leaseMs)),
    setManifest: (id, owner, manifest, tokensMax) => this.#write(({ adapters }) => adapters.setManifest(id, owner, manifest, tokensMax)),
    progress: (id, owner, progress) => this.#write(({ adapters }) => adapters.progress(id, owner, progress)),
    remove: (id) => this.#write(({ adapters }) => adapters.remove(id)),
    forget: (id) => this.#write(({ adapters }) => adapters.forget(id)),
    atProvider: () => this.#read(({ adapters }) => adapters.atProvider()),
    trainingRows: (rowsMax, charsMax) => this.#read(({ adapters }) => adapters.trainingRows(rowsMax, charsMax)),
  };

  sweepConversations(limit: number): Promise<number> {
    return this.#write((store) => store.sweepConversations(limit));
  }

  feedbackOf(userId: UserId): FeedbackStore {
    const of = ({ feedbackOf }: TenantStore): FeedbackStore => feedbackOf(userId);
    return {
      give: (messageId, feedback) => this.#write((store) => of(store).give(messageId, feedback)),
      of: (messageId) => this.#read((store) => of(store).of(messageId)),
    };
  }

  async #read<T>(work: Work<T>): Promise<T> {
    await this.pace();
    return within((deadline) => this.router.read(this.context, deadline, work));
  }

  async #write<T>(work: Work<T>): Promise<T> {
    await this.pace();
    return within((deadline) => this.router.write(this.context, deadline, work));
  }
}

async function within<T>(work: (deadline: Deadline) => Promise<T>): Promise<T> {
  const deadline = Deadline.after(callMs);
  try {
    return await work(deadline);
  } finally {
    deadline.dispose();
  }
}
