/*
 * The test switch that lets search lag behind documents, as Atlas's does: changes of vector rows wait here.
 * Before it: search-indexes.ts; after it: commits of their own. Killed meanwhile, the lagging changes are lost.
 */
import type { DatabaseFile, WriteView } from "./database-file.js";

type Apply = (view: WriteView) => (() => void)[];

interface Waiting {
  file: DatabaseFile;
  apply: Apply;
  dueMs: number;
}

export class DelayedCommits {
  readonly #delayMs: number;
  readonly #onError: (error: unknown) => void;
  #waiting: Waiting[] = [];
  #running: Promise<void> = Promise.resolve();

  constructor(delayMs: number, onError: (error: unknown) => void) {
    this.#delayMs = delayMs;
    this.#onError = onError;
  }

  add(file: DatabaseFile, apply: Apply): void {
    this.#waiting.push({ file, apply, dueMs: Date.now() + this.#delayMs });
    setTimeout(() => this.#run(Date.now()), this.#delayMs).unref();
  }

  async settle(): Promise<void> {
    this.#run(Number.POSITIVE_INFINITY);
    await this.#running;
  }

  /** In the order of the documents' own commits, whatever the timers do. */
  #run(nowMs: number): void {
    const due = this.#waiting.filter((waiting) => waiting.dueMs <= nowMs);
    this.#waiting = this.#waiting.slice(due.length);
    this.#running = this.#running.then(() => this.#commitAll(due));
  }

  async #commitAll(due: readonly Waiting[]): Promise<void> {
    for (const { file, apply } of due) {
      if (file.isClosed) continue;
      let visible: (() => void)[] = [];
      try {
        await file.commit({ apply: (view) => void (visible = apply(view)), visible: () => visible.forEach((run) => run()) });
      } catch (error) {
        this.#onError(error);
      }
    }
  }
}
