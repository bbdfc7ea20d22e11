import type { ProbeAnswer } from "../probe-executor.js";

/**
 * What an answer says, without what differs between any two: the id that was asked for, those of the
 * request itself, times. A foreign id and a missing one must read alike, or the difference tells that
 * the object exists.
 */
export function comparable({ text }: Pick<ProbeAnswer, "text">, asked: string): string {
  return text
    .replaceAll(asked, "ID")
    .replaceAll(/"(requestId|id|[A-Za-z]+_id)":"(req|msg|ans|aud)_[^"]+"/g, '"$1":"…"')
    .replaceAll(/req_[A-Za-z0-9_-]{20}/g, "req")
    .replaceAll(/"([A-Za-z]+_)?(totalMs|ms|retryAfterMs)":[0-9.]+/g, '"$2":0');
}

/** Whether an answer shows that the id was looked for. Anything else, such as a refused argument, was no probe of it. */
export function reachedTheId({ errors, data }: Pick<ProbeAnswer, "errors" | "data">): boolean {
  if (errors.length > 0) return errors.every(({ code }) => code === "NOT_FOUND" || code === "FORBIDDEN");
  return data !== null;
}
