import { Deadline } from "../kernel/deadline.js";
import { notFound } from "../kernel/errors.js";
import type { DocumentId } from "../kernel/ids.js";
import type { TenantRouter } from "../routing/tenant-router.js";
import type { DocumentRow } from "../storage/tenant-store.js";
import type { TenantContext } from "../tenancy/tenant-context.js";

/** Another server may process the document: its changes are seen by looking. */
const lookEveryMs = 500;
const readMsMax = 10_000;

/** Follows documents for those who watch. Every look goes through the watcher's own tenant's store, so a foreign id is a missing one. */
export class IngestionWatchers {
  readonly #waiting = new Map<string, Set<() => void>>();

  constructor(private readonly router: Pick<TenantRouter, "read">) {}

  changed(context: TenantContext, id: DocumentId): void {
    for (const wake of this.#waiting.get(keyOf(context, id)) ?? []) wake();
  }

  async *watch(context: TenantContext, id: DocumentId, signal: AbortSignal): AsyncGenerator<DocumentRow> {
    let seen: string | undefined;
    while (!signal.aborted) {
      // Listening begins before the look, or a change between the two would be slept through.
      const change = this.#nextChange(keyOf(context, id), signal);
      try {
        const row = await this.#look(context, id);
        if (row === undefined && seen === undefined) throw notFound("Document");
        if (row === undefined) return;
        const state = `${row.state} ${row.version} ${row.updatedAt.getTime()}`;
        if (state !== seen) yield row;
        seen = state;
        if (row.state === "READY" || row.state === "FAILED") return;
        await change.happened;
      } finally {
        change.forget();
      }
    }
  }

  #nextChange(key: string, signal: AbortSignal): { readonly happened: Promise<void>; forget(): void } {
    let wake!: () => void;
    const happened = new Promise<void>((resolve) => {
      wake = resolve;
    });
    const waiting = this.#waiting.get(key) ?? new Set();
    this.#waiting.set(key, waiting.add(wake));
    const timer = setTimeout(wake, lookEveryMs);
    signal.addEventListener("abort", wake, { once: true });
    return {
      happened,
      forget: () => {
        clearTimeout(timer);
        signal.removeEventListener("abort", wake);
        waiting.delete(wake);
        if (waiting.size === 0) this.#waiting.delete(key);
      },
    };
  }

  async #look(context: TenantContext, id: DocumentId): Promise<DocumentRow | undefined> {
    const deadline = Deadline.after(readMsMax);
    try {
      return await this.router.read(context, deadline, (store) => store.documents.get(id));
    } finally {
      deadline.dispose();
    }
  }
}

function keyOf(context: TenantContext, id: DocumentId): string {
  return `${context.tenantId} ${id}`;
}
