import { internal } from "../kernel/errors.js";
import type { PriceKind } from "../storage/control/usage-rows.js";
import { entryOf, parsePriceVersions, type CompletionPrice, type PriceVersion } from "./price-book-file.js";

/** Tokens of one call. The cached part is inside `promptTokens` and the reasoning inside `completionTokens`, whatever the provider's own way to report them. */
export interface PricedUsage {
  readonly promptTokens: number;
  readonly completionTokens: number;
  readonly cachedPromptTokens?: number;
  readonly reasoningTokens?: number;
}

export interface Price {
  readonly priceVersion: string;
  readonly costMicroUsd: number;
}

/** Prices by date of effect. Immutable: a row of the ledger names the version it was priced with. */
export class PriceBook {
  private constructor(private readonly versions: readonly PriceVersion[]) {}

  /** Parses `tenants/prices.json`. Throws `BAD_USER_INPUT` naming the entry that is wrong. */
  static parse(json: unknown): PriceBook {
    return new PriceBook(parsePriceVersions(json));
  }

  /** What a call costs at `at`: whole micro-dollars, rounded up once, so that no call is free by rounding. */
  price(kind: PriceKind, model: string, usage: PricedUsage, at: Date): Price {
    const version = this.#versionAt(at);
    return { priceVersion: version.version, costMicroUsd: roundedUp(costOf[kind](version, model, usage)) };
  }

  /** The most that a call of so many tokens can cost at `at`, whatever part of them is cached or thought: each part at its dearest. */
  bound(kind: PriceKind, model: string, { promptTokens, completionTokens }: Pick<PricedUsage, "promptTokens" | "completionTokens">, at: Date): number {
    const version = this.#versionAt(at);
    if (kind !== "COMPLETION") return roundedUp(costOf[kind](version, model, { promptTokens, completionTokens }));
    const { promptMicroUsdPerMillionTokens: prompt, completionMicroUsdPerMillionTokens: completion, cachedPromptMicroUsdPerMillionTokens: cached, reasoningMicroUsdPerMillionTokens: reasoning = 0 } = entryOf(version.models, model);
    return roundedUp(BigInt(promptTokens) * BigInt(Math.max(prompt, cached)) + BigInt(completionTokens) * BigInt(Math.max(completion, reasoning)));
  }

  #versionAt(at: Date): PriceVersion {
    // Before the first version the first one holds: refusing would block every tenant over a date.
    const version = this.versions.findLast((candidate) => candidate.from <= at.getTime()) ?? this.versions[0];
    if (version === undefined) throw internal("The price book has no version");
    return version;
  }
}

function roundedUp(millionths: bigint): number {
  return Number((millionths + 999_999n) / 1_000_000n);
}

/** Millionths of a micro-dollar. BigInt, because 10 million tokens at the dearest price pass 2^53. */
const costOf: Readonly<Record<PriceKind, (version: PriceVersion, model: string, usage: PricedUsage) => bigint>> = {
  COMPLETION: (version, model, usage) => completionCost(entryOf(version.models, model), usage),
  EMBEDDING: (version, model, { promptTokens }) => BigInt(promptTokens) * BigInt(entryOf(version.embedding, model).microUsdPerMillionTokens),
  GUARDRAIL: (version, model, { promptTokens, completionTokens }) => BigInt(promptTokens + completionTokens) * BigInt(entryOf(version.guardrail, model).microUsdPerMillionTokens),
  TRAINING: (version, model, { promptTokens }) => BigInt(promptTokens) * BigInt(version.training === undefined ? entryOf(version.models, model).promptMicroUsdPerMillionTokens : entryOf(version.training, model).microUsdPerMillionTokens),
  // Whatever the first answer cost: its tokens were billed then, and a hit that billed them again would be a second bill.
  CACHE_HIT: (version, model) => BigInt(entryOf(version.cacheHit, model).microUsdPerHit) * 1_000_000n,
};

function completionCost(prices: CompletionPrice, usage: PricedUsage): bigint {
  // A part is never more than its whole, whatever a provider says: the rest would be priced below zero.
  const cached = Math.min(usage.cachedPromptTokens ?? 0, usage.promptTokens);
  const reasoning = Math.min(usage.reasoningTokens ?? 0, usage.completionTokens);
  return (
    BigInt(usage.promptTokens - cached) * BigInt(prices.promptMicroUsdPerMillionTokens) +
    BigInt(cached) * BigInt(prices.cachedPromptMicroUsdPerMillionTokens) +
    BigInt(usage.completionTokens - reasoning) * BigInt(prices.completionMicroUsdPerMillionTokens) +
    BigInt(reasoning) * BigInt(prices.reasoningMicroUsdPerMillionTokens ?? prices.completionMicroUsdPerMillionTokens)
  );
}
