import DataLoader from "dataloader";
import type { Deadline } from "../kernel/deadline.js";
import { isWellFormedId, type AdapterId, type ConversationId, type DocumentId } from "../kernel/ids.js";
import type { AdapterRow } from "../storage/adapter-rows.js";
import type { ConversationRow, DocumentRow } from "../storage/tenant-store.js";
import type { TenantContext } from "../tenancy/tenant-context.js";
import type { TenantStores } from "./services.js";

/**
 * Batches reads by id within one operation. One set an operation and never longer: a loader caches
 * what it read, and a cache that outlived its caller would be shared between tenants.
 */
export class Loaders {
  #documents?: DataLoader<DocumentId, DocumentRow | undefined>;
  #adapters?: DataLoader<AdapterId, AdapterRow | undefined>;
  #conversations?: DataLoader<ConversationId, ConversationRow | undefined>;

  constructor(
    private readonly stores: TenantStores,
    private readonly tenant: TenantContext,
    private readonly deadline: Deadline,
  ) {}

  /** Undefined for an id that is missing, another tenant's, or no id at all: these must not be told apart. */
  async document(id: string): Promise<DocumentRow | undefined> {
    if (!isWellFormedId("document", id)) return undefined;
    this.#documents ??= new DataLoader((ids) => this.stores.read(this.tenant, this.deadline, (store) => store.documents.getMany(ids)));
    return this.#documents.load(id as DocumentId);
  }

  async adapter(id: string): Promise<AdapterRow | undefined> {
    if (!isWellFormedId("adapter", id)) return undefined;
    this.#adapters ??= new DataLoader((ids) => this.stores.read(this.tenant, this.deadline, (store) => store.adapters.getMany(ids)));
    return this.#adapters.load(id as AdapterId);
  }

  async conversation(id: string): Promise<ConversationRow | undefined> {
    if (!isWellFormedId("conversation", id)) return undefined;
    this.#conversations ??= new DataLoader((ids) =>
      this.stores.read(this.tenant, this.deadline, (store) => store.conversationsOf(this.tenant.userId).getMany(ids)),
    );
    return this.#conversations.load(id as ConversationId);
  }

  /** After a write, so that a later field of the same operation reads what was written. */
  forget(id: DocumentId | ConversationId | AdapterId): void {
    this.#documents?.clear(id as DocumentId);
    this.#conversations?.clear(id as ConversationId);
    this.#adapters?.clear(id as AdapterId);
  }
}
