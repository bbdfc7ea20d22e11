import type { TenantId } from "../kernel/ids.js";
import { SingleFlight } from "../kernel/single-flight.js";
import type { TenantRecord } from "./tenant-record.js";

/** Reads the directory where it is kept. Implemented in `storage/`. */
export interface TenantDirectory {
  /** Undefined for a tenant that does not exist. */
  find(id: TenantId): Promise<TenantRecord | undefined>;
}

/**
 * How stale a server's view of tier, state and placement may be. A suspension must reach every
 * server in under a second; staleness of placement is harmless, since the fence refuses writes of
 * an old epoch, a mover waits for longer than this before a switch, and a source is kept for longer
 * after it.
 */
export const directoryAgeMsMax = 300;

/**
 * Remembers records for `directoryAgeMsMax`. Never remembers that a tenant is missing, nor where one
 * is that moves: a mover switches only when every server looks anew for each request, so that a read
 * which follows a write finds it, whichever server it comes to.
 */
export class CachedTenantDirectory implements TenantDirectory {
  readonly #records = new Map<TenantId, { record: TenantRecord; readAt: number }>();
  readonly #flights = new SingleFlight<TenantRecord | undefined>();
  readonly #generations = new Map<TenantId, number>();

  constructor(private readonly source: TenantDirectory, private readonly sizeMax = 100_000) {}

  async find(id: TenantId): Promise<TenantRecord | undefined> {
    const known = this.#records.get(id);
    if (known !== undefined && performance.now() - known.readAt < directoryAgeMsMax) {
      return known.record.placement.kind === "MOVING" ? this.findFresh(id) : known.record;
    }
    const record = await this.#read(id);
    // It may have come from a look that another reader began before the tenant was switched.
    return record?.placement.kind === "MOVING" ? this.findFresh(id) : record;
  }

  /** Asks the source itself, for a writer that was told its epoch is stale. */
  findFresh(id: TenantId): Promise<TenantRecord | undefined> {
    this.forget(id);
    return this.#read(id);
  }

  /** Called by whoever changed the record in this process. */
  forget(id: TenantId): void {
    this.#records.delete(id);
    this.#generations.set(id, (this.#generations.get(id) ?? 0) + 1);
  }

  #read(id: TenantId): Promise<TenantRecord | undefined> {
    const generation = this.#generations.get(id) ?? 0;
    // The generation is in the key: a reader that comes after a change must not join a read that began before it.
    // So is the time: what a read that hangs for seconds has seen by now is older than any reader may trust.
    const period = Math.floor(performance.now() / directoryAgeMsMax);
    return this.#flights.run(`${generation} ${period} ${id}`, async () => {
      const readAt = performance.now();
      const record = await this.source.find(id);
      if (record !== undefined && (this.#generations.get(id) ?? 0) === generation) {
        if (this.#records.size >= this.sizeMax) this.#records.clear();
        this.#records.set(id, { record, readAt });
      }
      return record;
    });
  }
}
