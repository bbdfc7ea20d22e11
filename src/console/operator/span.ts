/** Spans of time to look at, up to now. */
export const spans = [
  { value: "1", label: "1 h", bucketMinutes: 5 },
  { value: "6", label: "6 h", bucketMinutes: 15 },
  { value: "24", label: "24 h", bucketMinutes: 60 },
  { value: "168", label: "7 days", bucketMinutes: 360 },
] as const;

export type Span = (typeof spans)[number]["value"];

const hourMs = 3_600_000;

export function fromOf(span: Span): string {
  return new Date(Date.now() - Number(span) * hourMs).toISOString();
}

export function bucketOf(span: Span): number {
  return spans.find(({ value }) => value === span)?.bucketMinutes ?? 60;
}
