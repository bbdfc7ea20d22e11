/** What kind of answer is asked for. */
export type Asked = "WHO" | "WHEN" | "WHERE" | "WHY" | "HOW" | "COUNT" | "AMOUNT" | "DURATION" | "FREQUENCY" | "DEGREE" | "WHAT" | "YES_NO";

/** "How many" before "how": of two that begin at one place the first in this list counts. */
const starts: readonly (readonly [RegExp, Asked])[] = [
  [/(?:^|, )(?:is|are|am|was|were|do|does|did|can|could|may|might|must|should|shall|will|would|has|have|had)\b/u, "YES_NO"],
  [/\bhow many\b/u, "COUNT"],
  [/\bhow much\b/u, "AMOUNT"],
  [/\bhow long\b/u, "DURATION"],
  [/\bhow often\b/u, "FREQUENCY"],
  [/\bhow (?:far|old|big|large|high|fast|late|early|soon|deep|heavy|wide|strict)\b/u, "DEGREE"],
  [/\bwhy\b/u, "WHY"],
  [/\bhow\b/u, "HOW"],
  [/\bwho(?:m|se)?\b/u, "WHO"],
  [/\bwhere\b/u, "WHERE"],
  [/\bwhat\b|\bwhich\b/u, "WHAT"],
  [/\bwhen\b/u, "WHEN"],
];

/** By the first word that asks, in a text in lower case: "can I see who wrote it" is a yes or no. */
export function askedBy(lower: string): Asked {
  let first: { readonly at: number; readonly asked: Asked } | undefined;
  for (const [pattern, asked] of starts) {
    const at = lower.search(pattern);
    if (at >= 0 && (first === undefined || at < first.at)) first = { at, asked };
  }
  // A heading such as "notice period for managers" asks what it is.
  return first?.asked ?? "WHAT";
}
