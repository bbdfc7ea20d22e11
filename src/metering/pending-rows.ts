/** Ledger rows on their way. Whoever makes one waits for `written` before telling the caller it is done. */
export class PendingRows {
  readonly #rows: Promise<void>[] = [];

  add(row: Promise<void>): void {
    this.#rows.push(row);
  }

  async written(): Promise<void> {
    await Promise.all(this.#rows);
  }
}
