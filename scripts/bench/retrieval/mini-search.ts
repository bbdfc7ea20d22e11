import MiniSearch, { type SearchOptions } from "minisearch";

export interface SearchableText {
  readonly id: string;
  readonly title: string;
  readonly text: string;
}

/** As it comes, and with what its documentation recommends: the title weighs double, prefixes and small misspellings count. */
export const miniSearchSettings = {
  "minisearch, default": {},
  "minisearch, boost prefix fuzzy": { boost: { title: 2 }, prefix: true, fuzzy: 0.2 },
} as const satisfies Readonly<Record<string, SearchOptions>>;

export type MiniSearchSetting = keyof typeof miniSearchSettings;
export const miniSearchNames = Object.keys(miniSearchSettings) as MiniSearchSetting[];

/** Ids of the best, at most `limit`; it always ranks everything that matches, so the cut is ours. */
export type SearchTexts = (setting: MiniSearchSetting, query: string, limit: number) => readonly string[];

/** Both settings are options of a search, so one index serves them. */
export function indexTexts(texts: readonly SearchableText[]): SearchTexts {
  const index = new MiniSearch<SearchableText>({ fields: ["title", "text"] });
  index.addAll(texts);
  return (setting, query, limit) =>
    index
      .search(query, miniSearchSettings[setting])
      .slice(0, limit)
      .map(({ id }) => String(id));
}
