import { z } from "zod";
import { badUserInput, internal } from "../kernel/errors.js";

/**
 * Millionths of a dollar per million tokens. The bound is ten times the dearest public price: a
 * price that is wrong by three digits stops the start with one line instead of emptying budgets.
 */
const price = z.int().min(0).max(1_000_000_000);

const completionPrice = z.strictObject({
  promptMicroUsdPerMillionTokens: price,
  completionMicroUsdPerMillionTokens: price,
  cachedPromptMicroUsdPerMillionTokens: price,
  /** Left out: reasoning costs what the rest of the completion costs, as most providers bill it. */
  reasoningMicroUsdPerMillionTokens: price.optional(),
});
const tokenPrice = z.strictObject({ microUsdPerMillionTokens: price });
/** Micro-dollars for one answer out of the cache: no model has counted tokens for it. */
const hitPrice = z.strictObject({ microUsdPerHit: price });

const withFallback = <Price extends z.ZodType>(entry: Price) => z.record(z.string().min(1), entry).refine((prices) => "*" in prices, "an entry * for models without one");

const priceBookSchema = z.strictObject({
  versions: z
    .array(
      z.strictObject({
        version: z.string().min(1),
        effectiveFrom: z.iso.date(),
        /** The version whose prices were wrong: this one holds in its place, from the same day. */
        supersedes: z.string().min(1).optional(),
        models: withFallback(completionPrice),
        embedding: withFallback(tokenPrice),
        guardrail: withFallback(tokenPrice),
        cacheHit: withFallback(hitPrice),
        /** By base model, for a token trained once. Left out: as a token of a prompt. */
        training: withFallback(tokenPrice).optional(),
      }),
    )
    .min(1),
});

type FileVersion = z.infer<typeof priceBookSchema>["versions"][number];
export type CompletionPrice = z.infer<typeof completionPrice>;

/** A version that is in force on some day. */
export type PriceVersion = FileVersion & { readonly from: number };

const sections = ["models", "embedding", "guardrail", "cacheHit", "training"] as const;

/**
 * Between one version and the next, up or down. Prices halve and double; a factor over this is a
 * price entered in the wrong unit, which the absolute bound does not see when it is too small.
 */
const jumpFactorMax = 100;

/** The versions that are in force, oldest first. Throws `BAD_USER_INPUT` naming the entry that is wrong. */
export function parsePriceVersions(json: unknown): readonly PriceVersion[] {
  const parsed = priceBookSchema.safeParse(json);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw badUserInput(`prices.json ${issue?.path.join(".") ?? ""}`, "an invalid entry", issue?.message ?? "a valid price book");
  }
  const { versions } = parsed.data;
  checkOrder(versions);
  const superseded = new Set(versions.map(({ supersedes }) => supersedes));
  const inForce = versions.flatMap((version, at) => (superseded.has(version.version) ? [] : [{ at, version: { ...version, from: Date.parse(version.effectiveFrom) } }]));
  // A wrong price must not forbid its own correction: only what is in force is compared.
  inForce.forEach(({ at, version }, index) => checkJumps(`versions.${at}`, inForce[index - 1]?.version, version));
  return inForce.map(({ version }) => version);
}

function checkOrder(versions: readonly FileVersion[]): void {
  versions.forEach((version, at) => {
    const before = versions[at - 1];
    const entry = `prices.json versions.${at}`;
    if (version.supersedes !== undefined) {
      if (before?.version !== version.supersedes || before.effectiveFrom !== version.effectiveFrom) {
        throw badUserInput(`${entry}.supersedes`, version.supersedes, "the version just before this one, with the same effectiveFrom");
      }
    } else if (before !== undefined && before.effectiveFrom >= version.effectiveFrom) {
      throw badUserInput(`${entry}.effectiveFrom`, version.effectiveFrom, `a date after ${before.effectiveFrom}`);
    }
    // A row names its version: two of one name could not be told apart when rows are priced anew.
    if (versions.slice(0, at).some((other) => other.version === version.version)) throw badUserInput(`${entry}.version`, version.version, "a name that no version before has");
  });
}

/** For every model the earlier version names, what it costs from now on, by its own entry or by `*`. */
function checkJumps(entry: string, before: PriceVersion | undefined, version: PriceVersion): void {
  if (before === undefined) return;
  for (const section of sections) {
    const [earlier, later] = [before[section], version[section]];
    if (earlier === undefined || later === undefined) continue;
    for (const model of Object.keys(earlier)) {
      const [old, next] = [pricesOf(earlier, model), pricesOf(later, model)];
      for (const [field, was] of old) {
        const is = next.find(([name]) => name === field)?.[1] ?? was;
        // Counted from 1, so that a price can become nothing, or something, from the small end.
        const [low, high] = [Math.max(1, Math.min(was, is)), Math.max(1, was, is)];
        if (high > low * jumpFactorMax) throw badUserInput(`prices.json ${entry}.${section}.${model}.${field}`, String(is), `at most ${jumpFactorMax} times more or less than ${was} of ${before.version}`);
      }
    }
  }
}

function pricesOf(prices: Readonly<Record<string, Record<string, number>>>, model: string): readonly (readonly [string, number])[] {
  return Object.entries<number>(entryOf<Record<string, number>>(prices, model));
}

/** Own keys only: a model named `constructor` must not be priced by a prototype. */
export function entryOf<Entry>(prices: Readonly<Record<string, Entry>>, model: string): Entry {
  const entry = Object.hasOwn(prices, model) ? prices[model] : prices["*"];
  if (entry === undefined) throw internal("The price book has no entry *");
  return entry;
}
