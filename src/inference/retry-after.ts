/** Milliseconds that a `Retry-After` header asks for: whole seconds, or an HTTP date (RFC 9110, 10.2.3). Undefined if it is neither. */
export function parseRetryAfter(header: string | undefined, now = Date.now()): number | undefined {
  if (header === undefined) return undefined;
  const text = header.trim();
  if (/^\d{1,9}$/u.test(text)) return Number(text) * 1_000;
  // Only the form with a weekday: `Date.parse` would take "-5" or "1.5" for a date.
  if (!/^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)/u.test(text)) return undefined;
  const at = Date.parse(text);
  return Number.isNaN(at) ? undefined : Math.max(0, at - now);
}
