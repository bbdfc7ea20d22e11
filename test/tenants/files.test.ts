import { readdir, readFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { z } from "zod";

const HOME = new URL("../../tenants/", import.meta.url);

async function readJson(path: string): Promise<unknown> {
  return JSON.parse(await readFile(new URL(path, HOME), "utf8"));
}

async function loadSchema(name: string): Promise<z.ZodType> {
  const source = z.record(z.string(), z.json()).parse(await readJson(`${name}.schema.json`));
  return z.fromJSONSchema(source);
}

const tenants = z
  .array(z.object({ id: z.string(), name: z.string(), tier: z.string(), documents: z.string() }))
  .parse(await readJson("tenants.json"));

function priceBook(value: number): unknown {
  const completion = {
    promptMicroUsdPerMillionTokens: value,
    completionMicroUsdPerMillionTokens: 1,
    cachedPromptMicroUsdPerMillionTokens: 1,
  };
  const embedding = { "*": { microUsdPerMillionTokens: 1 } };
  return { versions: [{ version: "2026-01-01", effectiveFrom: "2026-01-01", models: { "*": completion }, embedding, guardrail: embedding, cacheHit: { "*": { microUsdPerHit: 1 } } }] };
}

/** English runs at about four letters a token. */
const LETTERS_PER_TOKEN = 4;

const policy = z.object({
  tokensPerMinute: z.number(),
  maxBytes: z.number(),
  maxDocumentBytes: z.number(),
  maxQuestionChars: z.number(),
  maxAnswerTokens: z.number(),
  contextTokens: z.number(),
  historyTokens: z.number(),
  models: z.array(z.string()),
});
const tiers = Object.entries(z.record(z.string(), policy).parse(await readJson("tiers.json")));

describe("every file of tenants/ meets its JSON schema", () => {
  const pairs = [
    ["tiers.json", "tiers"],
    ["prices.json", "prices"],
    ["models.json", "models"],
    ["tenants.json", "tenants"],
    ...tenants.map((tenant) => [`${tenant.documents}/questions.json`, "questions"] as const),
  ] as const;

  it.each(pairs)("%s meets %s.schema.json", async (file, name) => {
    const result = (await loadSchema(name)).safeParse(await readJson(file));
    expect(result.error?.issues ?? []).toEqual([]);
  });

  it("leaves no JSON file at the top without a schema", async () => {
    const names = (await readdir(HOME)).filter((name) => name.endsWith(".json") && !name.endsWith(".schema.json"));
    expect(names.toSorted()).toEqual(["models.json", "prices.json", "tenants.json", "tiers.json"]);
  });
});

describe("the schemas refuse what would do harm", () => {
  it.each(["Acme", "a", "ac", "-acme", "acme-", "acme.eu", "a$me", "", "a".repeat(27)])("a tenant id of %j", async (id) => {
    const schema = await loadSchema("tenants");
    expect(schema.safeParse([{ id: "acme", name: "A", tier: "PRO", documents: "acme" }]).success).toBe(true);
    expect(schema.safeParse([{ id, name: "A", tier: "PRO", documents: "acme" }]).success).toBe(false);
  });

  it("a documents folder that climbs out of tenants/", async () => {
    const schema = await loadSchema("tenants");
    expect(schema.safeParse([{ id: "acme", name: "A", tier: "PRO", documents: "../src" }]).success).toBe(false);
  });

  it.each([
    ["a negative price", -1],
    ["a fraction", 0.5],
    ["a price in the wrong unit", 150_000_000_000],
  ])("%s", async (_what, price) => {
    const schema = await loadSchema("prices");
    expect(schema.safeParse(priceBook(1)).success).toBe(true);
    expect(schema.safeParse(priceBook(price)).success).toBe(false);
  });

  it("a tier policy with a limit left out or an unknown tier", async () => {
    const schema = await loadSchema("tiers");
    const file = z.record(z.string(), z.record(z.string(), z.json())).parse(await readJson("tiers.json"));
    const { maxBytes: _left, ...rest } = file["FREE"] ?? {};
    expect(schema.safeParse({ ...file, FREE: rest }).success).toBe(false);
    expect(schema.safeParse({ ...file, GOLD: file["PRO"] }).success).toBe(false);
  });
});

describe("tier policies can be served", () => {
  it.each(tiers)("%s admits one largest question into an untouched minute", (_tier, limits) => {
    // One token a letter is the worst a tokenizer does to a question; were this above the limit, it could never be admitted.
    const upperBound = limits.maxQuestionChars + limits.contextTokens + limits.historyTokens + limits.maxAnswerTokens;
    expect(upperBound).toBeLessThanOrEqual(limits.tokensPerMinute);
    expect(limits.maxDocumentBytes).toBeLessThanOrEqual(limits.maxBytes);
  });

  it.each(tiers)("%s fits an English question into the context of the embedded model", async (_tier, limits) => {
    const { models } = z
      .object({ models: z.array(z.object({ name: z.string(), contextTokens: z.number() })) })
      .parse(await readJson("models.json"));
    const embedded = models.find((model) => model.name === "embedded-extractive");
    const prompt = Math.ceil(limits.maxQuestionChars / LETTERS_PER_TOKEN) + limits.contextTokens + limits.historyTokens;
    expect(limits.models).toContain("embedded-extractive");
    expect(prompt + limits.maxAnswerTokens).toBeLessThanOrEqual(embedded?.contextTokens ?? 0);
  });
});

describe("demo tenants", () => {
  it("have one tenant per tier and no id twice", () => {
    expect(tenants.map((tenant) => tenant.tier).toSorted()).toEqual(["ENTERPRISE", "FREE", "PRO"]);
    expect(new Set(tenants.map((tenant) => tenant.id)).size).toBe(tenants.length);
  });
});
