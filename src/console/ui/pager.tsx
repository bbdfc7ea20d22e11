import { useState, type ReactNode } from "react";

export interface Paging {
  /** Give it to the query; undefined for the first page. */
  readonly after: string | undefined;
  readonly page: number;
  next(cursor: string): void;
  previous(): void;
  reset(): void;
}

/** The pages that led here, since cursors lead forward only. */
export function usePaging(): Paging {
  const [cursors, setCursors] = useState<readonly string[]>([]);
  return {
    after: cursors.at(-1),
    page: cursors.length + 1,
    next: (cursor) => setCursors((all) => [...all, cursor]),
    previous: () => setCursors((all) => all.slice(0, -1)),
    reset: () => setCursors([]),
  };
}

interface PagerProps {
  readonly paging: Paging;
  readonly info: { readonly hasNextPage: boolean; readonly endCursor: string | null };
}

export function Pager({ paging, info: { hasNextPage, endCursor } }: PagerProps): ReactNode {
  if (paging.page === 1 && !hasNextPage) return null;
  return (
    <nav className="pager" aria-label="Pages">
      <button type="button" className="button button-small" disabled={paging.page === 1} onClick={paging.previous}>Previous</button>
      <span className="muted">Page {paging.page}</span>
      <button type="button" className="button button-small" disabled={!hasNextPage || endCursor === null} onClick={() => { if (endCursor !== null) paging.next(endCursor); }}>Next</button>
    </nav>
  );
}
