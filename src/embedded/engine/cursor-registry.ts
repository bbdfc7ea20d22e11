/*
 * Open cursors: what getMore continues and killCursors ends.
 * Before it: find and aggregate; after it: getMore, or the clock.
 */
import { Long } from "bson";
import { randomBytes } from "node:crypto";
import { EngineError } from "../engine-error.js";

/** MongoDB's own `cursorTimeoutMillis`. */
export const CURSOR_IDLE_MS_MAX = 10 * 60 * 1_000;

export interface Cursor {
  readonly id: Long;
  readonly namespace: string;
  /** Stored or encoded documents, ready to send. */
  readonly documents: Iterator<Buffer | undefined>;
  /** A document that was fetched but did not fit the last batch. */
  held: Buffer | undefined;
  readonly batchSize: number | undefined;
  /** Cursors of a transaction end with it. */
  readonly owner: object | undefined;
  /** Whose it is, when users are enforced. */
  readonly user: string | undefined;
  lastUsedMs: number;
}

export class CursorRegistry {
  readonly #cursors = new Map<string, Cursor>();

  add(cursor: Omit<Cursor, "id" | "lastUsedMs">): Cursor {
    const added = { ...cursor, id: this.#freshId(), lastUsedMs: Date.now() };
    this.#cursors.set(added.id.toString(), added);
    return added;
  }

  /** Throws EngineError 43 CursorNotFound, and 13 Unauthorized for another user's. */
  require(id: Long, namespace: string, owner: object | undefined, user: string | undefined): Cursor {
    this.refuseOthers(id, user);
    const cursor = this.#cursors.get(id.toString());
    if (!cursor || cursor.owner !== owner) throw new EngineError(43, "CursorNotFound", `cursor id ${id.toString()} not found`);
    if (cursor.namespace !== namespace) {
      throw new EngineError(13, "Unauthorized", `Requested getMore on namespace '${namespace}', but cursor belongs to a different namespace ${cursor.namespace}`);
    }
    cursor.lastUsedMs = Date.now();
    return cursor;
  }

  /** A cursor holds what its user may read, so nobody else continues or ends it. Throws EngineError 13. */
  refuseOthers(id: Long, user: string | undefined): void {
    const cursor = this.#cursors.get(id.toString());
    if (cursor && cursor.user !== user) throw new EngineError(13, "Unauthorized", `cursor id ${id.toString()} was not created by the authenticated user`);
  }

  removeOfUser(user: string): void {
    for (const cursor of this.#cursors.values()) if (cursor.user === user) this.remove(cursor.id);
  }

  remove(id: Long, namespace?: string): boolean {
    const cursor = this.#cursors.get(id.toString());
    if (!cursor || (namespace !== undefined && cursor.namespace !== namespace)) return false;
    cursor.documents.return?.();
    return this.#cursors.delete(id.toString());
  }

  removeOwnedBy(owner: object): void {
    for (const cursor of this.#cursors.values()) if (cursor.owner === owner) this.remove(cursor.id);
  }

  removeIdle(nowMs: number): void {
    for (const cursor of this.#cursors.values()) if (nowMs - cursor.lastUsedMs > CURSOR_IDLE_MS_MAX) this.remove(cursor.id);
  }

  /** Random, so that one client cannot guess another's; zero means "no cursor". */
  #freshId(): Long {
    const bytes = randomBytes(8);
    const id = new Long(bytes.readInt32LE(0), bytes.readInt32LE(4) & 0x7fffffff);
    return id.isZero() || this.#cursors.has(id.toString()) ? this.#freshId() : id;
  }
}
