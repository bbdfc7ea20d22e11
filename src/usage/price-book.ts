import { z } from "zod";
import { badUserInput, internal } from "../kernel/errors.js";
import type { UsageKind } from "../storage/control/control-plane.js";

/**
 * Millionths of a dollar per million tokens. The bound is ten times the dearest public price: a
 * price that is wrong by three digits stops the start with one line instead of emptying budgets.
 */
const price = z.int().min(0).max(1_000_000_000);

const completionPrice = z.strictObject({
  promptMicroUsdPerMillionTokens: price,
  completionMicroUsdPerMillionTokens: price,
  cachedPromptMicroUsdPerMillionTokens: price,
});
const embeddingPrice = z.strictObject({ microUsdPerMillionTokens: price });

const withFallback = <Price extends z.ZodType>(entry: Price) => z.record(z.string().min(1), entry).refine((prices) => "*" in prices, "an entry * for models without one");

const priceBookSchema = z.strictObject({
  versions: z
    .array(
      z.strictObject({
        version: z.string().min(1),
        effectiveFrom: z.iso.date(),
        models: withFallback(completionPrice),
        embedding: withFallback(embeddingPrice),
      }),
    )
    .min(1),
});

type PriceVersion = z.infer<typeof priceBookSchema>["versions"][number];

/** Tokens of one call. A cached part of the prompt is inside `promptTokens`, as providers report it. */
export interface PricedUsage {
  readonly promptTokens: number;
  readonly completionTokens: number;
  readonly cachedPromptTokens?: number;
}

export interface Price {
  readonly priceVersion: string;
  readonly costMicroUsd: number;
}

/** Prices by date of effect. Immutable: a row of the ledger names the version it was priced with. */
export class PriceBook {
  private constructor(private readonly versions: readonly (PriceVersion & { readonly from: number })[]) {}

  /** Parses `tenants/prices.json`. Throws `BAD_USER_INPUT` naming the entry that is wrong. */
  static parse(json: unknown): PriceBook {
    const parsed = priceBookSchema.safeParse(json);
    if (!parsed.success) {
      const issue = parsed.error.issues[0];
      throw badUserInput(`prices.json ${issue?.path.join(".") ?? ""}`, "an invalid entry", issue?.message ?? "a valid price book");
    }
    const versions = parsed.data.versions.map((version) => ({ ...version, from: Date.parse(version.effectiveFrom) }));
    versions.forEach((version, at) => {
      const before = versions[at - 1];
      if (before !== undefined && before.from >= version.from) {
        throw badUserInput(`prices.json versions.${at}.effectiveFrom`, version.effectiveFrom, `a date after ${before.effectiveFrom}`);
      }
    });
    return new PriceBook(versions);
  }

  /** What a call costs at `at`: whole micro-dollars, rounded up once, so that no call is free by rounding. */
  price(kind: UsageKind, model: string, usage: PricedUsage, at: Date): Price {
    // Before the first version the first one holds: refusing would block every tenant over a date.
    const version = this.versions.findLast((candidate) => candidate.from <= at.getTime()) ?? this.versions[0];
    if (version === undefined) throw internal("The price book has no version");
    const millionths = kind === "EMBEDDING" ? embeddingCost(version, model, usage) : completionCost(version, model, usage);
    return { priceVersion: version.version, costMicroUsd: Number((millionths + 999_999n) / 1_000_000n) };
  }
}

/** Millionths of a micro-dollar. BigInt, because 10 million tokens at the dearest price pass 2^53. */
function completionCost(version: PriceVersion, model: string, usage: PricedUsage): bigint {
  const prices = entryOf(version.models, model);
  const cached = Math.min(usage.cachedPromptTokens ?? 0, usage.promptTokens);
  return (
    BigInt(usage.promptTokens - cached) * BigInt(prices.promptMicroUsdPerMillionTokens) +
    BigInt(cached) * BigInt(prices.cachedPromptMicroUsdPerMillionTokens) +
    BigInt(usage.completionTokens) * BigInt(prices.completionMicroUsdPerMillionTokens)
  );
}

function embeddingCost(version: PriceVersion, model: string, usage: PricedUsage): bigint {
  return BigInt(usage.promptTokens) * BigInt(entryOf(version.embedding, model).microUsdPerMillionTokens);
}

function entryOf<Entry>(prices: Readonly<Record<string, Entry>>, model: string): Entry {
  // Own keys only: a model named `constructor` must not be priced by a prototype.
  const entry = Object.hasOwn(prices, model) ? prices[model] : prices["*"];
  if (entry === undefined) throw internal("The price book has no entry *");
  return entry;
}
