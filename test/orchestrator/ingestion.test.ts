import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Deadline } from "../../src/kernel/deadline.js";
import { serviceUnavailable, tenantSuspended, upstreamFailed } from "../../src/kernel/errors.js";
import { newId, type DocumentId } from "../../src/kernel/ids.js";
import { refusal, type Refusal } from "../../src/kernel/refusal.js";
import type { MeteredCall } from "../../src/metering/door.js";
import { IngestDocument, type IngestInput } from "../../src/orchestrator/ingest-document.js";
import { IngestionQueue, type IngestionQueueParts } from "../../src/orchestrator/ingestion-queue.js";
import type { DocumentRow, TenantStore } from "../../src/storage/tenant-store.js";
import type { TenantContext } from "../../src/tenancy/tenant-context.js";
import type { TenantRecord } from "../../src/tenancy/tenant-record.js";
import { LetterEmbedder } from "../support/letter-embedder.js";
import { MemoryTenantStore } from "../support/memory-tenant-store.js";
import { pdfOf } from "../support/pdf-of.js";
import { contextOf, policies, recordingTelemetry, recordOf } from "../support/tenants.js";

interface Spent { readonly context: TenantContext; readonly call: MeteredCall }

/** The parts of a server that ingestion needs, with everything that counts recorded. */
class Bench {
  readonly stores = new Map<string, MemoryTenantStore>();
  readonly records = new Map<string, TenantRecord>();
  readonly spent: Spent[] = [];
  readonly embedder = new LetterEmbedder();
  refuse: (spent: Spent) => Refusal | undefined = () => undefined;
  queue = this.open();
  ingest = new IngestDocument({ router: this.router(), queue: this.queue });

  open(): IngestionQueue {
    return new IngestionQueue({
      router: this.router(),
      embedder: this.embedder,
      directory: { find: (id) => Promise.resolve(this.records.get(id) ?? recordOf(id, { tier: "FREE" })) },
      policies,
      retryPauseMs: 20,
      counter: { load: () => Promise.resolve(), count: (text) => Math.ceil(text.length / 4) },
      telemetry: recordingTelemetry(),
      door: {
        run: async (context, deadline, call, work) => {
          const spent = { context, call };
          const refused = this.refuse(spent);
          if (refused !== undefined) return refused;
          this.spent.push(spent);
          return (await work(deadline.signal, () => undefined)).value;
        },
      },
    });
  }

  router(): IngestionQueueParts["router"] {
    const on = async <T>(context: TenantContext, _deadline: Deadline, work: (store: TenantStore) => Promise<T>): Promise<T> => {
      // As the router does for every read and write.
      if (this.records.get(context.tenantId)?.state === "SUSPENDED") throw tenantSuspended();
      return work(this.store(context.tenantId));
    };
    return { read: on, write: on };
  }

  store(id: string): MemoryTenantStore {
    const store = this.stores.get(id) ?? new MemoryTenantStore(recordOf(id).id);
    this.stores.set(id, store);
    return store;
  }

  async accept(tenant: string, content: string | Uint8Array, more: Partial<IngestInput> = {}): Promise<DocumentRow> {
    const deadline = Deadline.after(20_000);
    try {
      const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
      return await this.ingest.accept(contextOf(tenant, { tier: "FREE" }), deadline, { title: "Rules", content: bytes, mediaType: "text/plain", tags: [], ...more });
    } finally {
      deadline.dispose();
    }
  }

  row(tenant: string, id: DocumentId): DocumentRow | undefined {
    return this.store(tenant).rows.get(id);
  }
}

let bench: Bench;
beforeEach(() => {
  bench = new Bench();
});
afterEach(() => bench.queue.close());

const long = (sentences: number): string => Array.from({ length: sentences }, (_, n) => `Sentence number ${n} says something about the matter at hand.`).join(" ");

describe("IngestDocument", () => {
  it("stores the document as PENDING, and then makes it READY with its chunks", async () => {
    const row = await bench.accept("acme", "The gate closes at nine.", { title: "  Gate  ", tags: ["a", "a", "b"] });
    expect(row).toMatchObject({ state: "PENDING", title: "Gate", tags: ["a", "b"], tenantId: "acme" });
    await bench.queue.idle();
    expect(bench.row("acme", row.id)).toMatchObject({ state: "READY", version: 1, chunkCount: 1 });
    expect([...bench.store("acme").stored.values()].map((chunk) => chunk.text)).toEqual(["The gate closes at nine."]);
  });

  it.each([
    ["an empty document", "", {}],
    ["white space", " \n ", {}],
    ["bytes that are not UTF-8", Uint8Array.from([0xff, 0xfe, 0x00]), {}],
    ["a document over the tier's size", "x".repeat(5_000_001), {}],
    ["no title", "text", { title: "  " }],
    ["a title of 301 characters", "text", { title: "t".repeat(301) }],
    ["21 tags", "text", { tags: Array.from({ length: 21 }, (_, n) => `t${n}`) }],
    ["an empty tag", "text", { tags: [""] }],
    ["an unknown media type", "text", { mediaType: "image/png" as "text/plain" }],
    ["an encrypted PDF", pdfOf({ text: "secret", encrypted: true }), { mediaType: "application/pdf" as const }],
    ["a broken PDF", "%PDF-1.7", { mediaType: "application/pdf" as const }],
  ])("refuses %s with BAD_USER_INPUT and writes nothing", async (_name, content, more) => {
    await expect(bench.accept("acme", content, more)).rejects.toMatchObject({ code: "BAD_USER_INPUT" });
    expect(bench.store("acme").rows.size).toBe(0);
    expect(bench.spent).toEqual([]);
  });

  it("answers a retry of a missing, a foreign and an ill-formed id alike", async () => {
    const foreign = await bench.accept("globex", "theirs");
    await bench.queue.idle();
    for (const id of [foreign.id, "doc_AAAAAAAAAAAAAAAAAAAA", "x"]) {
      const deadline = Deadline.after(1_000);
      await expect(bench.ingest.retry(contextOf("acme"), deadline, id as DocumentId)).rejects.toMatchObject({ code: "NOT_FOUND", message: "Document not found" });
      deadline.dispose();
    }
  });
});

describe("IngestionQueue", () => {
  it("spends under a job's own context of the document's tenant, never under the request's", async () => {
    await bench.accept("acme", "The gate closes at nine.");
    await bench.accept("globex", "The dock opens at six.");
    await bench.queue.idle();
    expect(bench.spent.map(({ context }) => context.tenantId).toSorted()).toEqual(["acme", "globex"]);
    for (const { context, call } of bench.spent) {
      expect(context.roles).toEqual([]);
      expect(context.userId).not.toBe("user-1");
      expect(context.requestId).not.toBe("req_test");
      expect(call).toMatchObject({ kind: "EMBEDDING", workClass: "INGEST", model: "letters" });
      expect(call.reserveTokens).toBeGreaterThan(0);
    }
    expect(new Set(bench.embedder.calls.map((call) => call.lane))).toEqual(new Set(["INGEST"]));
  });

  it("embeds in batches of at most 32 texts and a quarter of the tenant's minute", async () => {
    await bench.accept("acme", long(600));
    await bench.queue.idle();
    expect(bench.spent.length).toBeGreaterThan(1);
    for (const { texts } of bench.embedder.calls) expect(texts.length).toBeLessThanOrEqual(32);
    for (const { call } of bench.spent) expect(call.reserveTokens).toBeLessThanOrEqual(policies.FREE.tokensPerMinute / 4);
  });

  it("waits as long as a RATE_LIMITED refusal says and goes on, without paying twice for a batch", async () => {
    let refusals = 0;
    let refusedAt = 0;
    bench.refuse = () => {
      if (bench.spent.length !== 1 || refusals === 2) return undefined;
      refusals += 1;
      refusedAt = performance.now();
      return refusal("RATE_LIMITED", "wait", { retryAfterMs: 150 });
    };
    const row = await bench.accept("acme", long(600));
    await bench.queue.idle();
    expect(refusals).toBe(2);
    expect(performance.now() - refusedAt).toBeGreaterThanOrEqual(145);
    expect(bench.row("acme", row.id)?.state).toBe("READY");
    const texts = bench.embedder.calls.flatMap((call) => call.texts);
    expect(new Set(texts).size).toBe(texts.length);
  });

  it("does not let a tenant that waits for its quota hold up another", async () => {
    bench.refuse = ({ context }) => (context.tenantId === "acme" ? refusal("RATE_LIMITED", "wait", { retryAfterMs: 60_000 }) : undefined);
    const blocked = await Promise.all([1, 2, 3].map((n) => bench.accept("acme", `Document ${n} of the flooder.`)));
    const free = await bench.accept("globex", "The dock opens at six.");
    for await (const row of bench.queue.watch(contextOf("globex"), free.id, AbortSignal.timeout(10_000))) if (row.state === "READY") break;
    expect(bench.row("globex", free.id)?.state).toBe("READY");
    for (const { id } of blocked) expect(bench.row("acme", id)?.state).toBe("PENDING");
  });

  it("makes one document of a small tenant wait for few of a flooder's", async () => {
    let release!: () => void;
    const gate = new Promise<void>((resolve) => (release = resolve));
    bench.embedder.before = () => gate;
    for (let n = 0; n < 30; n += 1) await bench.accept("acme", `Document ${n} of the flooder.`);
    await bench.accept("globex", "The only one.");
    release();
    await bench.queue.idle();
    const order = bench.spent.map(({ context }) => context.tenantId);
    expect(order).toHaveLength(31);
    expect(order.indexOf(recordOf("globex").id)).toBeLessThan(8);
  });

  it("tries again after a failure and keeps what was embedded", async () => {
    let failures = 0;
    bench.store("acme").beforeWrite = (name) => {
      if (name !== "publish" || failures === 2) return;
      failures += 1;
      throw serviceUnavailable("The database is gone");
    };
    const row = await bench.accept("acme", "The gate closes at nine.");
    await bench.queue.idle();
    expect(failures).toBe(2);
    expect(bench.row("acme", row.id)).toMatchObject({ state: "READY", version: 1 });
    expect(bench.spent).toHaveLength(1);
  });

  it("gives up after three tries with the failure's code, and takes the document up again on retry", async () => {
    bench.embedder.before = () => Promise.reject(upstreamFailed("The embedding server answered 500"));
    const row = await bench.accept("acme", "The gate closes at nine.");
    await bench.queue.idle();
    expect(bench.embedder.calls).toHaveLength(3);
    expect(bench.row("acme", row.id)).toMatchObject({ state: "FAILED", failure: { code: "UPSTREAM_FAILED" }, chunkCount: 0 });
    bench.embedder.before = () => Promise.resolve();
    const deadline = Deadline.after(5_000);
    expect(await bench.ingest.retry(contextOf("acme"), deadline, row.id)).toMatchObject({ state: "PENDING" });
    deadline.dispose();
    await bench.queue.idle();
    expect(bench.row("acme", row.id)?.state).toBe("READY");
  });

  it("masks a fault of ours in what the tenant is shown", async () => {
    bench.embedder.before = () => Promise.reject(new TypeError("cannot read 'secret' of undefined"));
    const row = await bench.accept("acme", "text");
    await bench.queue.idle();
    expect(bench.row("acme", row.id)?.failure).toEqual({ code: "INTERNAL", message: "The document could not be processed" });
  });

  it("fails a PDF without text at once, with no chunks of anyone's", async () => {
    await bench.accept("acme", "Text of an earlier document.");
    await bench.queue.idle();
    const row = await bench.accept("acme", pdfOf({ text: "" }), { mediaType: "application/pdf" });
    await bench.queue.idle();
    expect(bench.row("acme", row.id)).toMatchObject({ state: "FAILED", failure: { code: "BAD_USER_INPUT" }, chunkCount: 0 });
    expect([...bench.store("acme").stored.values()].some((chunk) => chunk.documentId === row.id)).toBe(false);
    expect(bench.spent).toHaveLength(1);
  });

  it("is READY only once search returns the document", async () => {
    bench.store("acme").searchableAfter = 4;
    const row = await bench.accept("acme", "The gate closes at nine.");
    const states: string[] = [];
    for await (const { state } of bench.queue.watch(contextOf("acme"), row.id, AbortSignal.timeout(10_000))) states.push(state);
    expect(states.at(-1)).toBe("READY");
    expect(states).toContain("INDEXING");
    expect(bench.store("acme").searchableAfter).toBeLessThan(0);
  });

  it("leaves nothing behind of a document that was deleted meanwhile", async () => {
    const row = await bench.accept("acme", "The gate closes at nine.");
    bench.embedder.before = async () => void (await bench.store("acme").documents.remove(row.id));
    await bench.queue.idle();
    expect(bench.store("acme").rows.size).toBe(0);
    expect(bench.store("acme").stored.size).toBe(0);
  });

  it("resumes after a stop what was unfinished, and does not pay again for what was published", async () => {
    bench.embedder.before = () => new Promise(() => undefined);
    const pending = await bench.accept("acme", "The gate closes at nine.");
    const indexing = await bench.accept("acme", "The dock opens at six.");
    await bench.queue.close();
    expect(bench.row("acme", pending.id)?.state).toBe("PENDING");
    bench.store("acme").rows.set(indexing.id, { ...indexing, state: "INDEXING", version: 1, chunkCount: 1 });
    bench.embedder.before = () => Promise.resolve();
    bench.spent.length = 0;
    bench.queue = bench.open();
    await bench.queue.resume(contextOf("acme", { tier: "FREE" }));
    await bench.queue.idle();
    expect(bench.row("acme", pending.id)?.state).toBe("READY");
    expect(bench.row("acme", indexing.id)?.state).toBe("READY");
    expect(bench.spent).toHaveLength(1);
  });

  it("spends nothing more on a long document once its tenant is suspended, and takes it up when the tenant is back", async () => {
    bench.embedder.before = async () => void bench.records.set("acme", { ...recordOf("acme", { tier: "FREE" }), state: "SUSPENDED" });
    const row = await bench.accept("acme", long(600));
    await bench.queue.idle();
    expect(bench.spent).toHaveLength(1);
    expect(bench.row("acme", row.id)?.state).toBe("PENDING");
    bench.embedder.before = () => Promise.resolve();
    bench.records.delete("acme");
    await bench.queue.resume(contextOf("acme", { tier: "FREE" }));
    await bench.queue.idle();
    expect(bench.row("acme", row.id)?.state).toBe("READY");
  });

  it("spends nothing more on a long document once it is deleted", async () => {
    const row = await bench.accept("acme", long(600));
    bench.embedder.before = async () => void (await bench.store("acme").documents.remove(row.id));
    await bench.queue.idle();
    expect(bench.spent).toHaveLength(1);
    expect(bench.store("acme").stored.size).toBe(0);
  });

  it("does nothing for a suspended tenant, and leaves its document for later", async () => {
    bench.records.set("acme", { ...recordOf("acme"), state: "SUSPENDED" });
    const row = await bench.store("acme").documents.add({ id: newId<DocumentId>("document"), title: "Gate", mediaType: "text/plain", tags: [], raw: Buffer.from("The gate closes at nine.") }, policies.FREE);
    bench.queue.enqueue(contextOf("acme"), row.id);
    await bench.queue.idle();
    expect(bench.spent).toEqual([]);
    expect(bench.row("acme", row.id)?.state).toBe("PENDING");
  });

  it("shows no watcher another tenant's document", async () => {
    const row = await bench.accept("acme", "The gate closes at nine.");
    const watch = async (): Promise<void> => {
      for await (const seen of bench.queue.watch(contextOf("globex"), row.id, AbortSignal.timeout(5_000))) throw new RangeError(`seen ${seen.id}`);
    };
    await expect(watch()).rejects.toMatchObject({ code: "NOT_FOUND" });
  });

  it("ends a watch when its client goes away", async () => {
    bench.embedder.before = () => new Promise(() => undefined);
    const row = await bench.accept("acme", "The gate closes at nine.");
    const stop = new AbortController();
    let events = 0;
    for await (const { state } of bench.queue.watch(contextOf("acme"), row.id, stop.signal)) {
      expect(state).toBe("PENDING");
      events += 1;
      stop.abort();
    }
    expect(events).toBe(1);
  });
});
