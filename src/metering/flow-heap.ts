/** What the heap orders: the flow that has been served least comes first. */
export interface HeapItem {
  /** Weighted service received: tokens divided by weight. */
  service: number;
  /** Where the heap keeps the item; -1 while it is not in it. */
  slot: number;
}

/**
 * A binary heap whose items know their place, so that one whose service was corrected moves without
 * a search. With 10,000 tenants that wait a decision takes about 14 steps.
 */
export class FlowHeap<Item extends HeapItem> {
  readonly #items: Item[] = [];

  get least(): Item | undefined {
    return this.#items[0];
  }

  /** In no order but that the least is first. */
  get items(): readonly Item[] {
    return this.#items;
  }

  push(item: Item): void {
    item.slot = this.#items.length;
    this.#items.push(item);
    this.#rise(item);
  }

  remove(item: Item): void {
    const last = this.#items.pop();
    if (last !== undefined && last !== item) {
      last.slot = item.slot;
      this.#items[last.slot] = last;
      this.moved(last);
    }
    item.slot = -1;
  }

  /** To be told after the service of an item in the heap has changed. */
  moved(item: Item): void {
    this.#rise(item);
    this.#sink(item);
  }

  #rise(item: Item): void {
    while (item.slot > 0) {
      const parent = this.#items[(item.slot - 1) >> 1];
      if (parent === undefined || parent.service <= item.service) return;
      this.#swap(parent, item);
    }
  }

  #sink(item: Item): void {
    for (;;) {
      const left = this.#items[2 * item.slot + 1];
      const right = this.#items[2 * item.slot + 2];
      const lesser = right !== undefined && left !== undefined && right.service < left.service ? right : left;
      if (lesser === undefined || item.service <= lesser.service) return;
      this.#swap(item, lesser);
    }
  }

  #swap(upper: Item, lower: Item): void {
    const at = upper.slot;
    upper.slot = lower.slot;
    lower.slot = at;
    this.#items[upper.slot] = upper;
    this.#items[lower.slot] = lower;
  }
}
