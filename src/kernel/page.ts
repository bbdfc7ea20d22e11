/** A page of a list ordered by a stable key. `after` and `endCursor` are opaque to callers. */
export interface PageRequest {
  readonly first: number;
  readonly after?: string;
}

export interface Page<Item> {
  readonly items: readonly { readonly item: Item; readonly cursor: string }[];
  readonly hasNextPage: boolean;
}

/** Largest page a caller may ask for: bounds the cost of one list field. */
export const pageSizeMax = 100;
export const pageSizeDefault = 20;
