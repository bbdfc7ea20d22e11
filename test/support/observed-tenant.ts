/** A tenant that is read and written through a server while it is moved elsewhere, and remembers what it was told. */
import { createHash } from "node:crypto";
import type { MongoClient } from "mongodb";
import { setTimeout as sleep } from "node:timers/promises";
import { Deadline } from "../../src/kernel/deadline.js";
import { newId, type ConversationId, type DocumentId } from "../../src/kernel/ids.js";
import type { DocumentRow, NewChunk, TenantStore } from "../../src/storage/tenant-store.js";
import type { TenantContext } from "../../src/tenancy/tenant-context.js";
import { newChunk, newDocument, testEmbedding } from "./homes.js";
import type { MoveServer } from "./move-server.js";
import { countAtHome } from "./move-traces.js";
import { policies } from "./tenants.js";

interface ToldDocument {
  readonly title: string;
  readonly raw: Buffer;
  readonly chunks: readonly NewChunk[];
  /** Something was asked for and not yet answered: `ADDING` and `REMOVING` may be seen or not. */
  state: "ADDING" | "THERE" | "REMOVING" | "GONE";
  published: boolean;
}

const caps = policies.ENTERPRISE;
/** A write must not fail while its tenant is taken over by another mover; it may wait for it. */
const requestMs = 30_000;
const everything = Float32Array.of(1, 0, 0, 0);
const rowsMax = 1_000;

export class ObservedTenant {
  readonly failures: string[] = [];
  readonly #documents = new Map<DocumentId, ToldDocument>();
  readonly #turns = new Map<string, "ASKED" | "THERE">();
  readonly #stop = new AbortController();
  #loops: Promise<unknown> | undefined;
  reads = 0;
  writes = 0;
  longestWriteMs = 0;

  private constructor(readonly id: string, private readonly server: MoveServer, private readonly reader: MoveServer, private readonly context: TenantContext, private readonly conversation: ConversationId) {}

  /**
   * Lives in the pool, with some documents and turns. Written on `server` and read on `reader`: one
   * that writes nothing is told by no fence that a tenant has moved.
   */
  static async create(server: MoveServer, reader: MoveServer, id: string): Promise<ObservedTenant> {
    await server.administration.create({ id, name: id, tier: "PRO" });
    const context = await server.context(id);
    const deadline = Deadline.after(requestMs);
    const { id: conversation } = await server.router.write(context, deadline, (store) => store.conversationsOf(context.userId).start("talk"));
    deadline.dispose();
    const tenant = new ObservedTenant(id, server, reader, context, conversation);
    for (let n = 0; n < 4; n += 1) await tenant.write();
    return tenant;
  }

  /** Reads and writes, each pausing `pauseMs` after every round, until `stop`. */
  begin(pauseMs: number): void {
    const forever = async (work: () => Promise<void>): Promise<void> => {
      while (!this.#stop.signal.aborted) {
        await work();
        await sleep(pauseMs * (0.5 + Math.random()));
      }
    };
    this.#loops = Promise.all([forever(() => this.write()), forever(() => this.look())]);
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#loops;
  }

  /** One round of writes: a document is added and published, now and then one is removed, a turn is appended. */
  async write(): Promise<void> {
    await this.#noting("write", async () => {
      const documentId = newId<DocumentId>("document");
      const chunks = [newChunk(0, [1, Math.random(), 0, 0], { text: `First of ${documentId}` }), newChunk(1, [1, 0, Math.random(), 0], { text: `Second of ${documentId}` })];
      const told: ToldDocument = { title: `About ${documentId}`, raw: Buffer.from(`All of ${documentId}`), chunks, state: "ADDING", published: false };
      this.#documents.set(documentId, told);
      await this.#write((store) => store.documents.add(newDocument({ id: documentId, title: told.title, raw: told.raw }), caps));
      told.state = "THERE";
      await this.#write((store) => store.documents.publish(documentId, chunks, testEmbedding, caps));
      told.published = true;
      const turn = newId<string>("message");
      this.#turns.set(turn, "ASKED");
      await this.#write((store) => store.conversationsOf(this.context.userId).append(this.conversation, { question: turn, answer: `To ${turn}` }));
      this.#turns.set(turn, "THERE");
      if (this.#turns.size % 3 === 0) await this.#removeOldest();
      this.writes += 1;
    });
  }

  /** One round of reads, held against what was acknowledged before each began. */
  async look(): Promise<void> {
    await this.#noting("read", async () => {
      const present = this.#those(({ state }) => state === "THERE");
      const gone = this.#those(({ state }) => state === "GONE");
      const rows = new Map((await this.#rows(this.reader)).map((row) => [row.id, row]));
      for (const id of this.#still(present, "THERE")) if (rows.get(id)?.title !== this.#documents.get(id)?.title) this.failures.push(`read without document ${id}`);
      for (const id of gone) if (rows.has(id)) this.failures.push(`read with removed document ${id}`);

      const published = this.#those((told) => told.published && told.state === "THERE");
      const found = new Map((await this.#read(this.reader, (store) => store.chunks.nearest(everything, rowsMax, {}))).map(({ chunk }) => [chunk.id, chunk.text]));
      for (const id of this.#still(published, "THERE")) {
        for (const chunk of this.#documents.get(id)?.chunks ?? []) if (found.get(chunk.id) !== chunk.text) this.failures.push(`search without chunk ${chunk.ordinal} of ${id}`);
      }

      const told = [...this.#turns].filter(([, state]) => state === "THERE").map(([turn]) => turn);
      const turns = (await this.#latest(this.reader)).map(({ question }) => question);
      if (new Set(turns).size !== turns.length) this.failures.push("read with a turn twice");
      for (const turn of told) if (!turns.includes(turn)) this.failures.push(`read without turn ${turn}`);
      this.reads += 1;
    });
  }

  /** Past every store: the home that the directory names holds what was acknowledged, so its rows were not removed before the directory's word. */
  async lookAtHome(root: MongoClient): Promise<void> {
    const present = this.#those(({ state }) => state === "THERE");
    const counted = await countAtHome(root, this.id);
    const least = this.#still(present, "THERE").length;
    if (counted !== undefined && counted.documents < least) this.failures.push(`${counted.documents} documents at home in ${JSON.stringify(counted.home)}, expected at least ${least}`);
  }

  /** After the last write: what is there is what was told, no more and no less, as `server` has it. */
  async differences(server: MoveServer): Promise<readonly string[]> {
    const expected = [...this.#documents].filter(([, { state }]) => state === "THERE");
    const rows = await this.#rows(server);
    const seen = await Promise.all(
      rows.map(async (row) => {
        const raw = await this.#read(server, (store) => store.documents.raw(row.id));
        const ids = this.#documents.get(row.id)?.chunks.map((chunk) => chunk.id) ?? [];
        const chunks = await this.#read(server, (store) => store.chunks.getMany(ids));
        return line(row.id, row.title, row.contentSha256, raw === undefined ? "none" : sha256(raw), row.chunkCount, chunks.map((chunk) => chunk?.text));
      }),
    );
    const wanted = expected.map(([id, { title, raw, chunks }]) => line(id, title, sha256(raw), sha256(raw), chunks.length, chunks.map(({ text }) => text)));
    const turns = (await this.#latest(server)).map(({ question, answer }) => line(question, answer));
    const totals = await this.#read(server, (store) => store.documents.totals());
    const bytes = expected.reduce((sum, [, { raw }]) => sum + raw.length, 0);
    return [
      ...unlike("row", wanted, seen),
      ...unlike("turn", [...this.#turns.keys()].map((turn) => line(turn, `To ${turn}`)), turns),
      ...unlike("total", [line(expected.length, expected.length * 2, bytes)], [line(totals.documents, totals.chunks, totals.bytes)]),
    ];
  }

  async #removeOldest(): Promise<void> {
    const [oldest] = this.#those((told) => told.published && told.state === "THERE");
    const told = oldest === undefined ? undefined : this.#documents.get(oldest);
    if (oldest === undefined || told === undefined) return;
    told.state = "REMOVING";
    await this.#write((store) => store.documents.remove(oldest));
    told.state = "GONE";
  }

  async #noting(kind: "read" | "write", work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.failures.push(`${kind} failed: ${String(error)}`);
    }
  }

  #those(which: (told: ToldDocument) => boolean): readonly DocumentId[] {
    return [...this.#documents].filter(([, told]) => which(told)).map(([id]) => id);
  }

  /** A write that was begun while a read ran may be seen by it or not. */
  #still(ids: readonly DocumentId[], state: ToldDocument["state"]): readonly DocumentId[] {
    return ids.filter((id) => this.#documents.get(id)?.state === state);
  }

  async #rows(server: MoveServer): Promise<readonly DocumentRow[]> {
    const rows: DocumentRow[] = [];
    for (let after: string | undefined; ; ) {
      const page = await this.#read(server, (store) => store.documents.page({ first: 100, ...(after === undefined ? {} : { after }) }, {}));
      rows.push(...page.items.map(({ item }) => item));
      after = page.items.at(-1)?.cursor;
      if (!page.hasNextPage) return rows;
    }
  }

  #latest(server: MoveServer) {
    return this.#read(server, (store) => store.conversationsOf(this.context.userId).latest(this.conversation, rowsMax));
  }

  async #write<T>(work: (store: TenantStore) => Promise<T>): Promise<T> {
    const deadline = Deadline.after(requestMs);
    const startedAt = performance.now();
    try {
      return await this.server.router.write(this.context, deadline, work);
    } finally {
      this.longestWriteMs = Math.max(this.longestWriteMs, performance.now() - startedAt);
      deadline.dispose();
    }
  }

  async #read<T>(server: MoveServer, work: (store: TenantStore) => Promise<T>): Promise<T> {
    const deadline = Deadline.after(requestMs);
    try {
      return await server.router.read(this.context, deadline, work);
    } finally {
      deadline.dispose();
    }
  }
}

function line(...parts: readonly unknown[]): string {
  return JSON.stringify(parts);
}

function sha256(raw: Uint8Array): string {
  return createHash("sha256").update(raw).digest("hex");
}

/** Multisets compared, so that what is there twice is a difference too. */
function unlike(what: string, wanted: readonly string[], seen: readonly string[]): string[] {
  const count = new Map<string, number>();
  for (const one of wanted) count.set(one, (count.get(one) ?? 0) + 1);
  for (const one of seen) count.set(one, (count.get(one) ?? 0) - 1);
  return [...count].filter(([, rest]) => rest !== 0).map(([one, rest]) => `${what} ${rest > 0 ? "missing" : "too many"}: ${one}`);
}
