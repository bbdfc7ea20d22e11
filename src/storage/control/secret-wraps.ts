import { Binary } from "mongodb";
import { internal } from "../../kernel/errors.js";
import type { TenantSecret } from "./control-plane.js";
import { boundTo, unwrapKey, wrapKey, wrappingKeyId, type WrappingKeys } from "./wrapped-key.js";

/** A row of `tenant_secrets`. A destroyed one stays, without a version, so that its name is never given a new key. */
export interface SecretDocument {
  _id: string;
  owner: string;
  name: string;
  newest: number;
  /** Oldest first. Each is wrapped once, or twice while the master key is being replaced. */
  versions: { version: number; wraps: { by: string; wrapped: Binary }[] }[];
  /** Compare-and-set counter. */
  revision: number;
  created_at: Date;
  destroyed_at?: Date;
}

type StoredVersion = SecretDocument["versions"][number];

/**
 * Wraps and unwraps versions of secrets. While `MASTER_KEY_PREVIOUS` is set every version is wrapped
 * by both keys, so that servers which know only one of them, on either side of a rolling restart,
 * read and write all along; the wraps of the old key go once no server is given it any more.
 */
export class SecretWraps {
  readonly #keys: readonly { readonly id: string; readonly key: Buffer }[];

  constructor(keys: WrappingKeys) {
    this.#keys = [keys.current, ...(keys.previous === undefined ? [] : [keys.previous])].map((key) => ({ id: wrappingKeyId(key), key }));
  }

  wrap(owner: string, name: string, version: number, secret: Buffer): StoredVersion {
    const wraps = this.#keys.map(({ key }) => wrapKey(key, secret, boundTo(owner, name, version)));
    return { version, wraps: wraps.map(({ by, wrapped }) => ({ by, wrapped: new Binary(wrapped) })) };
  }

  /** Throws `INTERNAL`. */
  open(row: SecretDocument): TenantSecret {
    return { versions: row.versions.map((stored) => ({ version: stored.version, key: this.#open(row, stored) })) };
  }

  /** Whether every version is wrapped by each key that this server was given. */
  isComplete(row: SecretDocument): boolean {
    return row.versions.every(({ wraps }) => this.#keys.every(({ id }) => wraps.some(({ by }) => by === id)));
  }

  /** Whether some version is wrapped by a key that this server was not given. */
  hasForeign(row: SecretDocument): boolean {
    return row.versions.some(({ wraps }) => wraps.some(({ by }) => !this.#keys.some(({ id }) => id === by)));
  }

  /** The versions, wrapped by the keys of this server and no others. Throws `INTERNAL`. */
  rewrapped(row: SecretDocument): StoredVersion[] {
    return this.open(row).versions.map(({ version, key }) => this.wrap(row.owner, row.name, version, key));
  }

  #open(row: SecretDocument, { version, wraps }: StoredVersion): Buffer {
    const bound = boundTo(row.owner, row.name, version);
    for (const { id, key } of this.#keys) {
      const wrap = wraps.find(({ by }) => by === id);
      const opened = wrap === undefined ? undefined : unwrapKey(key, wrap.wrapped.value(), bound);
      if (opened !== undefined) return opened;
    }
    const known = wraps.some(({ by }) => this.#keys.some(({ id }) => id === by));
    throw internal(known ? "A wrapped key was altered, or belongs to another row" : "MASTER_KEY does not open a tenant's key that another master key has wrapped");
  }
}
