import { conflict } from "../../src/kernel/errors.js";
import { permilleTotal, type PoolShareStore, type ServerShare, type ShareBeat, type ShareView } from "../../src/storage/control/pool-share-rows.js";

/** What the database's row does, with a clock of the test; `pool-share-store.test.ts` holds both to one contract. */
export class MemoryPoolShares implements PoolShareStore {
  readonly #rows = new Map<string, readonly (ServerShare & { readonly seq: number; readonly until: number })[]>();

  constructor(private readonly now: () => number) {}

  async beat(group: string, beat: ShareBeat): Promise<ShareView> {
    return this.land(group, beat);
  }

  async leave(group: string, server: string): Promise<void> {
    this.#rows.set(group, (this.#rows.get(group) ?? []).filter(({ id }) => id !== server));
  }

  land(group: string, { server, seq, claims, leaseMs, ...beat }: ShareBeat): ShareView {
    const at = this.now();
    const rows = this.#rows.get(group) ?? [];
    if (rows.some((row) => row.id === server && row.seq >= seq)) throw conflict("A later beat has landed");
    const others = rows.filter((row) => row.id !== server && row.until > at);
    const free = (of: "slots" | "permille", total: number): number => Math.max(0, Math.min(beat[of], total - others.reduce((sum, row) => sum + row[of], 0)));
    this.#rows.set(group, [...others, { id: server, seq, claims, until: at + leaseMs, slots: free("slots", beat.slotsTotal), permille: free("permille", permilleTotal) }]);
    return { at, servers: this.living(group) };
  }

  living(group: string): readonly ServerShare[] {
    return (this.#rows.get(group) ?? []).filter(({ until }) => until > this.now()).map(({ id, slots, permille, claims }) => ({ id, slots, permille, claims }));
  }
}
