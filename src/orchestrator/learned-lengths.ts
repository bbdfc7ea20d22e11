import type { TenantId } from "../kernel/ids.js";

interface Length {
  count: number;
  mean: number;
  /** Mean distance from the mean. */
  spread: number;
}

/** Before so many answers a guess is worse than the tier's bound. */
const answersMin = 8;
/** Weight of the newest answer: the last dozen or so decide. */
const newest = 0.15;
/** Covers most answers; a longer one asks for more while it goes on. */
const spreads = 3;
/** As much as an allowance wants ahead of an answer, or every ordinary answer would ask for more near its end. */
const headroomTokens = 32;
const rememberedMax = 20_000;

/** How long the answers of a model are for a tenant: what to reserve when a caller names no `maxTokens`. */
export class LearnedLengths {
  readonly #lengths = new Map<string, Length>();

  /** At most `bound`, which is also the answer while little is known. */
  estimate(tenantId: TenantId, model: string, bound: number): number {
    const length = this.#lengths.get(keyOf(tenantId, model));
    if (length === undefined || length.count < answersMin) return bound;
    return Math.min(bound, Math.ceil(length.mean + spreads * length.spread) + headroomTokens);
  }

  learn(tenantId: TenantId, model: string, tokens: number): void {
    const key = keyOf(tenantId, model);
    const length = this.#lengths.get(key);
    if (length !== undefined) {
      const distance = Math.abs(tokens - length.mean);
      length.count += 1;
      length.mean += newest * (tokens - length.mean);
      length.spread += newest * (distance - length.spread);
      return;
    }
    if (this.#lengths.size >= rememberedMax) this.#lengths.clear();
    this.#lengths.set(key, { count: 1, mean: tokens, spread: tokens / 2 });
  }
}

function keyOf(tenantId: TenantId, model: string): string {
  return JSON.stringify([tenantId, model]);
}
