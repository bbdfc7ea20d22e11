/**
 * Makes stored documents searchable in the background. Before it comes `ingest-document.ts`, which
 * stored them; after it search finds them. Which documents are unfinished is in the tenant's store
 * alone: this queue may be lost at any moment, and `resume` fills it again.
 */
import { setMaxListeners } from "node:events";
import { Deadline } from "../kernel/deadline.js";
import { BulkheadError, internal, notFound, serviceUnavailable } from "../kernel/errors.js";
import { newId, type DocumentId, type RequestId } from "../kernel/ids.js";
import { noTracing, type Tracing } from "../kernel/tracing.js";
import { DocumentReader } from "../retrieval/read/document-reader.js";
import type { DocumentRow } from "../storage/tenant-store.js";
import { openJobContext, type TenantContext } from "../tenancy/tenant-context.js";
import type { TenantDirectory } from "../tenancy/tenant-directory.js";
import type { TierPolicies } from "../tenancy/tier-policy.js";
import { FairTurns } from "./fair-turns.js";
import { IngestionJob, type IngestionTools } from "./ingestion-job.js";
import { IngestionWatchers } from "./ingestion-watchers.js";

export interface IngestionQueueParts extends Omit<IngestionTools, "reader" | "turns"> {
  readonly directory: TenantDirectory;
  readonly policies: TierPolicies;
  readonly tracing?: Pick<Tracing, "detached">;
  /** Closed with the queue. */
  readonly reader?: DocumentReader;
  /** Before the second try; twice as long before the third. */
  readonly retryPauseMs?: number;
}

interface TenantWork {
  readonly waiting: DocumentId[];
  readonly running: Set<DocumentId>;
  /** Whose work it is: only to open a job's own context from. */
  readonly context: TenantContext;
}

/** Heavy steps (reading a file, one batch of embedding, one publication) at the same time, over all tenants. */
const turnsAtOnceMax = 2;
/** Documents of one tenant under way: one is read while another's vectors are computed. */
const jobsPerTenantMax = 2;
/** Documents under way in all. One that waits for its tenant's quota holds its place; at 20 MB each this is over a gigabyte at the very worst. */
const jobsMax = 64;
const triesMax = 3;
const retryPauseMsDefault = 1_000;
const storeMsMax = 30_000;
/** After the database, and not the document, was at fault. */
const unfinishedPauseMs = 30_000;

export class IngestionQueue {
  readonly reader: DocumentReader;
  readonly #tools: IngestionTools;
  /** The order is whose turn is next. */
  readonly #tenants = new Map<string, TenantWork>();
  readonly #jobs = new Set<Promise<void>>();
  readonly #stop = new AbortController();
  readonly #watchers: IngestionWatchers;
  #idleWaiters: (() => void)[] = [];

  constructor(private readonly parts: IngestionQueueParts) {
    this.reader = parts.reader ?? new DocumentReader();
    this.#tools = { ...parts, reader: this.reader, turns: new FairTurns(turnsAtOnceMax) };
    this.#watchers = new IngestionWatchers(parts.router);
    // Every step under way listens to it; a warning of a leak at the eleventh would be false.
    setMaxListeners(0, this.#stop.signal);
  }

  /** Has the document processed soon. A document that waits already, or is under way, is not added twice. */
  enqueue(context: TenantContext, id: DocumentId): void {
    if (this.#stop.signal.aborted) return;
    const work = this.#tenants.get(context.tenantId) ?? { waiting: [], running: new Set<DocumentId>(), context };
    if (work.running.has(id) || work.waiting.includes(id)) return;
    work.waiting.push(id);
    this.#tenants.set(context.tenantId, work);
    this.#startJobs();
  }

  /** Takes up what an earlier process left unfinished for this tenant. */
  async resume(context: TenantContext): Promise<void> {
    const deadline = Deadline.after(storeMsMax);
    try {
      const rows = await this.parts.router.read(context, deadline, (store) => store.documents.unfinished(context.policy.maxDocuments));
      // Newest first as they come; the oldest has waited longest.
      for (const row of rows.toReversed()) this.enqueue(context, row.id);
    } finally {
      deadline.dispose();
    }
  }

  /** Resolves when nothing waits and nothing is under way. */
  idle(): Promise<void> {
    if (this.#tenants.size === 0) return Promise.resolve();
    return new Promise((resolve) => this.#idleWaiters.push(resolve));
  }

  /**
   * The document at once, then again after each change, until it is `READY` or `FAILED`, gone, or the
   * signal fires. Throws `NOT_FOUND` when the tenant has no such document.
   */
  watch(context: TenantContext, id: DocumentId, signal: AbortSignal): AsyncIterable<DocumentRow> {
    return this.#watchers.watch(context, id, AbortSignal.any([signal, this.#stop.signal]));
  }

  /** Stops what is under way; it is taken up by the next process. */
  async close(): Promise<void> {
    this.#stop.abort(serviceUnavailable("The server is shutting down"));
    for (const work of this.#tenants.values()) work.waiting.length = 0;
    await Promise.allSettled(this.#jobs);
    await this.reader.close();
  }

  #startJobs(): void {
    for (const [tenantId, work] of this.#tenants) {
      if (this.#jobs.size >= jobsMax) return;
      if (work.running.size >= jobsPerTenantMax) continue;
      const id = work.waiting.shift();
      if (id === undefined) continue;
      // To the end of the rotation: the next place goes to another tenant, if one waits.
      this.#tenants.delete(tenantId);
      this.#tenants.set(tenantId, work);
      work.running.add(id);
      // Whoever's request or job ends now starts another tenant's: its spans must not stand in that one's trace.
      const job = (this.parts.tracing ?? noTracing).detached(() => this.#process(work.context, id)).finally(() => this.#finished(tenantId, work, id, job));
      this.#jobs.add(job);
    }
  }

  #finished(tenantId: string, work: TenantWork, id: DocumentId, job: Promise<void>): void {
    this.#jobs.delete(job);
    work.running.delete(id);
    if (work.running.size === 0 && work.waiting.length === 0) this.#tenants.delete(tenantId);
    this.#startJobs();
    if (this.#tenants.size > 0) return;
    const waiters = this.#idleWaiters;
    this.#idleWaiters = [];
    for (const resolve of waiters) resolve();
  }

  /** Never rejects: what cannot even be recorded as a failure is logged, and the document stays unfinished. */
  async #process(context: TenantContext, id: DocumentId): Promise<void> {
    const { telemetry } = this.parts;
    const onChange = (): void => this.#watchers.changed(context, id);
    try {
      const job = new IngestionJob(this.#tools, id, this.#stop.signal, onChange);
      const outcome = await this.#tryUntilDone(context, job);
      telemetry.count("documents_ingested_total", { outcome });
    } catch (error) {
      if (this.#stop.signal.aborted) return;
      telemetry.count("documents_ingested_total", { outcome: "UNFINISHED" });
      const notServed = isNotServed(error);
      telemetry.log(notServed ? "info" : "error", "A document's processing stopped and is taken up later", { tenantId: context.tenantId, documentId: id, error: String(error) });
      // A suspended tenant's documents wait for `resume`, an erased one's for nothing.
      if (!notServed) setTimeout(() => this.enqueue(context, id), unfinishedPauseMs).unref();
    } finally {
      onChange();
    }
  }

  async #tryUntilDone(context: TenantContext, job: IngestionJob): Promise<"READY" | "FAILED" | "GONE"> {
    for (let tries = 1; ; tries += 1) {
      let own: TenantContext | undefined;
      try {
        own = await this.#jobContext(context);
        return await job.run(own);
      } catch (error) {
        this.#stop.signal.throwIfAborted();
        if (isMissing(error)) return "GONE";
        const fields = { tenantId: context.tenantId, documentId: job.id, tries, error: String(error) };
        if (tries < triesMax && isWorthRetrying(error)) {
          this.parts.telemetry.log("warn", "A document's processing is tried again", fields);
          await job.pause((this.parts.retryPauseMs ?? retryPauseMsDefault) * tries);
          continue;
        }
        if (own === undefined) throw error;
        await job.fail(own, failureOf(error));
        this.parts.telemetry.log("warn", "A document could not be made searchable", fields);
        return "FAILED";
      }
    }
  }

  /**
   * Background work never runs under the context of the request that caused it, nor under none: each
   * try opens the tenant's job context anew, so that a suspension, a new tier or a move counts at once.
   */
  async #jobContext(context: TenantContext): Promise<TenantContext> {
    const record = await this.parts.directory.find(context.tenantId);
    if (record === undefined || record.id !== context.tenantId) throw internal("The tenant of an ingestion job is not in the directory");
    return openJobContext(record, this.parts.policies, newId<RequestId>("request"));
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof BulkheadError && error.code === notFound("Document").code;
}

/** What the document or the tenant's limits are the cause of fails the same way again. */
function isWorthRetrying(error: unknown): boolean {
  if (!(error instanceof BulkheadError)) return true;
  return !["BAD_USER_INPUT", "LIMIT_EXCEEDED", "CONFLICT", "BUDGET_EXCEEDED", "GUARDRAIL_BLOCKED"].includes(error.code) && !isNotServed(error);
}

function isNotServed(error: unknown): boolean {
  return error instanceof BulkheadError && (error.code === "TENANT_SUSPENDED" || error.code === "UNAUTHENTICATED");
}

/** Kept on the document and shown to the tenant: a fault of ours is masked here as at any other edge. */
function failureOf(error: unknown): { code: string; message: string } {
  if (error instanceof BulkheadError && error.code !== "INTERNAL") return { code: error.code, message: error.message };
  return { code: "INTERNAL", message: "The document could not be processed" };
}
