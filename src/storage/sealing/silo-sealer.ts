/**
 * Rows of one tenant's silo under the tenant's own key. `ScopedReader`, `ScopedWriter` and the mover
 * pass rows through it; beneath it the key comes from the vault, wrapped by the master key. A blob is
 * bound to tenant, collection, `_id` and key version; an older blob of the very same row would open,
 * which is why a new version of a document has chunks with new ids.
 */
import { Binary, type Document } from "mongodb";
import { internal, serviceUnavailable, type BulkheadError } from "../../kernel/errors.js";
import type { TenantId } from "../../kernel/ids.js";
import type { Telemetry } from "../../kernel/telemetry.js";
import type { KeyVault } from "../control/control-plane.js";
import type { RowSealer } from "../row-sealer.js";
import type { CollectionName } from "../rows.js";
import { KeyRing, type SealingKey } from "./key-ring.js";
import { KeysWanting } from "./keys-wanting.js";
import { joinRow, splitRow } from "./row-content.js";
import { openBytes, placeOf, sealBytes } from "./row-cipher.js";
import { blobField, readSealedCollections, versionField, type SealedCollections, type SealedFields } from "./sealed-fields.js";
import { siloKeyName } from "./silo-key-name.js";

export interface SiloSealerOptions {
  readonly tenantId: TenantId;
  readonly database: string;
  readonly vault: Pick<KeyVault, "find">;
  readonly telemetry: Telemetry;
}

/** Reads the silo's key, which `SiloProvider.prepare` has made. Throws `INTERNAL` when it was destroyed. */
export async function openSiloSealer({ tenantId, database, vault, telemetry }: SiloSealerOptions): Promise<SiloSealer> {
  const ring = new KeyRing(() => vault.find(tenantId, siloKeyName({ database })));
  await ring.learn();
  if (ring.newest === undefined) throw internal(`The key of the silo ${database} is not there`);
  return new SiloSealer(tenantId, await readSealedCollections(), ring, telemetry);
}

export class SiloSealer implements RowSealer {
  constructor(
    private readonly tenantId: TenantId,
    private readonly collections: SealedCollections,
    private readonly ring: KeyRing,
    private readonly telemetry: Telemetry,
  ) {}

  /**
   * Await it, where it gives something, before a batch: `seal` and `termForms` throw when the keys are
   * too old, and a key that was destroyed elsewhere must stop opening rows here as well.
   */
  ready(): Promise<void> | undefined {
    return this.ring.ready();
  }

  /** Reads the vault now. */
  learn(): Promise<void> {
    return this.ring.learn();
  }

  /** The version that new rows are sealed with. */
  get version(): number {
    return this.#newest().version;
  }

  seal(collection: CollectionName, row: Document): Document {
    const fields = this.collections.get(collection);
    if (fields === undefined) return row;
    const key = this.#newest();
    const { readable, content } = splitRow(row, fields, (term) => key.terms.of(term));
    const place = placeOf(this.tenantId, collection, String(row["_id"]), key.version);
    return { ...readable, [blobField]: new Binary(sealBytes(key.rows, place, content)), [versionField]: key.version };
  }

  open(collection: CollectionName, row: Document): Document {
    const fields = this.collections.get(collection);
    if (fields === undefined) return row;
    const { [blobField]: blob, [versionField]: sealedWith, ...readable } = row;
    // The validator refuses it; whoever got round it must not be able to put words into a tenant's mouth.
    if (fields.sealed.some((name) => name in readable)) throw this.#refused(collection, row, "clear text");
    if (blob === undefined) return withoutKeyed(readable, fields);
    const key = this.#keyOf(collection, row, Number(sealedWith));
    const place = placeOf(this.tenantId, collection, String(row["_id"]), key.version);
    const content = blob instanceof Binary ? openBytes(key.rows, place, blob.value()) : undefined;
    if (content === undefined) throw this.#refused(collection, row, "altered, or of another row");
    return joinRow(readable, content, fields);
  }

  termForms(term: string): readonly string[] {
    this.#newest();
    return this.ring.all.map((key) => key.terms.of(term));
  }

  /** A row that is sealed by a destroyed key is lost, so an old ring seals nothing. */
  #newest(): SealingKey {
    if (!this.ring.isUsable()) throw new KeysWanting(() => this.ring.learn(), () => serviceUnavailable("The tenant's key cannot be read in time"));
    const { newest } = this.ring;
    if (newest === undefined) throw internal("The tenant's key is gone: nothing can be sealed");
    return newest;
  }

  #keyOf(collection: string, row: Document, version: number): SealingKey {
    const key = this.ring.find(version);
    if (key !== undefined) return key;
    // Begun here and now: a mover does not wait for it, but tries again later.
    const learning = this.ring.learn();
    learning.catch(() => undefined);
    throw new KeysWanting(() => learning, () => this.#unopened(collection, row, version));
  }

  /** After a silo's key was destroyed its rows are unreadable as they should be: that wakes nobody. */
  #unopened(collection: string, row: Document, version: number): BulkheadError {
    return this.ring.newest === undefined ? internal("The tenant's key is gone: nothing can be read") : this.#refused(collection, row, `no key of version ${version}`);
  }

  #refused(collection: string, row: Document, reason: string): BulkheadError {
    this.telemetry.alarm("sealed_row_refused", { tenantId: this.tenantId, collection, id: String(row["_id"]), reason });
    return internal("A sealed row was refused");
  }
}

/** Forms are no words: a reader must never take them for such. */
function withoutKeyed(readable: Document, fields: SealedFields): Document {
  return Object.fromEntries(Object.entries(readable).filter(([name]) => !fields.keyed.includes(name)));
}
