import type { TenantStore } from "../storage/tenant-store.js";
import type { TermStatistics } from "./bm25.js";

/** At about 100 bytes a term, all tenants together hold some 60 MB at the very most. */
const tenantsMax = 1_000;
const termsPerTenantMax = 600;

interface Known {
  readonly revision: number;
  readonly frequencies: Map<string, number>;
}

/**
 * Frequencies of terms among one tenant's chunks, counted by its store and remembered until the
 * tenant's chunks change (`revision`). The key holds tenant and home: a tenant that moved has another
 * index, and no tenant's statistics may move another's scores.
 */
export class TermStatisticsCache {
  readonly #known = new Map<string, Known>();

  async of(store: TenantStore, terms: readonly string[]): Promise<TermStatistics> {
    const { chunks, meanLength, revision } = await store.chunks.statistics();
    const known = this.#at(`${store.home} ${store.tenantId}`, revision);
    const missing = terms.filter((term) => !known.frequencies.has(term));
    // What was just counted is used from the answer: the remembered copy may be cleared to keep the bound.
    const counted = missing.length === 0 || chunks === 0 ? new Map<string, number>() : await store.chunks.termFrequencies(missing);
    const frequencies = new Map(terms.map((term) => [term, known.frequencies.get(term) ?? counted.get(term) ?? 0]));
    this.#remember(known, counted);
    return { chunks, meanLength, frequencies };
  }

  #at(key: string, revision: number): Known {
    const present = this.#known.get(key);
    this.#known.delete(key);
    const known = present?.revision === revision ? present : { revision, frequencies: new Map<string, number>() };
    // Put back last: the map's order is then the order of use.
    this.#known.set(key, known);
    const oldest = this.#known.keys().next().value;
    if (this.#known.size > tenantsMax && oldest !== undefined) this.#known.delete(oldest);
    return known;
  }

  #remember(known: Known, counted: ReadonlyMap<string, number>): void {
    if (known.frequencies.size + counted.size > termsPerTenantMax) known.frequencies.clear();
    for (const [term, frequency] of counted) {
      if (known.frequencies.size < termsPerTenantMax) known.frequencies.set(term, frequency);
    }
  }
}
