import { badUserInput } from "../kernel/errors.js";
import { pageSizeMax, type Page, type PageRequest } from "../kernel/page.js";

/** A place in a list that is ordered by a number and, among equals, by id. Carries no tenant: it has no meaning outside the store that reads it. */
export interface ListPosition {
  readonly order: number;
  readonly id: string;
}

const positionPattern = /^(\d{1,15})~([A-Za-z0-9_-]{1,64})$/;
/** Longest cursor this file makes is under 120 characters; more is not worth decoding. */
const cursorCharsMax = 200;

export function encodeCursor(position: ListPosition): string {
  return Buffer.from(`${position.order}~${position.id}`).toString("base64url");
}

/** Throws `BAD_USER_INPUT`: a cursor that was ignored would show the first page again, for ever. */
export function decodeCursor(cursor: string): ListPosition {
  const match = cursor.length > cursorCharsMax ? null : positionPattern.exec(Buffer.from(cursor, "base64url").toString("latin1"));
  const position = match === null ? undefined : { order: Number(match[1]), id: match[2] ?? "" };
  // Encoding back tells apart what Buffer forgives: padding, spaces, a different alphabet.
  if (position === undefined || encodeCursor(position) !== cursor) throw badUserInput("after", "a malformed cursor", "a cursor of this list");
  return position;
}

/** Throws `BAD_USER_INPUT`. */
export function checkPageRequest(request: PageRequest): { first: number; after?: ListPosition } {
  if (!Number.isInteger(request.first) || request.first < 0 || request.first > pageSizeMax) {
    throw badUserInput("first", String(request.first), `a whole number from 0 to ${pageSizeMax}`);
  }
  return { first: request.first, ...(request.after === undefined ? {} : { after: decodeCursor(request.after) }) };
}

/** A page out of one row more than was asked for: the extra row tells that there is a next page. */
export function pageOf<Row, Item>(rows: readonly Row[], first: number, toItem: (row: Row) => Item, positionOf: (row: Row) => ListPosition): Page<Item> {
  return {
    items: rows.slice(0, first).map((row) => ({ item: toItem(row), cursor: encodeCursor(positionOf(row)) })),
    hasNextPage: rows.length > first,
  };
}
