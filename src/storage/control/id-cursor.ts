import { badUserInput } from "../../kernel/errors.js";

/** Cursor of a list ordered by `_id`. Opaque to callers; garbage is refused, not ignored. */
export function idCursor(id: string): string {
  return Buffer.from(`id:${id}`).toString("base64url");
}

/** Throws `BAD_USER_INPUT`. */
export function idFromCursor(cursor: string): string {
  const text = Buffer.from(cursor, "base64url").toString("utf8");
  if (!text.startsWith("id:") || idCursor(text.slice(3)) !== cursor) throw badUserInput("after", "a malformed cursor", "a cursor of this list");
  return text.slice(3);
}
