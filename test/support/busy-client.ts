/** A tenant's clients that write at a given rate and search all the time, over GraphQL, on two servers; they remember what they were told. */
import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { internal } from "../../src/kernel/errors.js";
import { listOf, type Json } from "../acceptance/server.js";

export interface Endpoint {
  readonly url: string;
  /** Of the tenant's admin. */
  readonly token: string;
}

interface Note {
  readonly id: string;
  readonly words: string;
  /** `DELETING` may be found or not. */
  state: "TAKEN" | "READY" | "DELETING" | "DELETED";
}

const modes = ["HYBRID", "VECTOR", "TEXT"] as const;
const wordsOfNote = 6;
const pollMs = 250;
/** Writes on their way: beyond this a machine does not keep up with the rate, and more of them would only queue. */
const underWayMax = 64;
const searchesAtOnce = 8;
/** More say no more. */
const failuresMax = 20;
const ingestText = "mutation ($input: IngestDocumentInput!) { ingestDocument(input: $input) { document { id } } }";
const startText = "mutation ($title: String) { startConversation(input: { title: $title }) { conversation { id } } }";
const deleteText = "mutation ($id: ID!) { deleteDocument(input: { documentId: $id }) { documentId } }";
const unfinishedText = "query ($after: String) { documents(first: 100, after: $after, filter: { states: [PENDING, INDEXING, FAILED] }) { nodes { id state } pageInfo { hasNextPage endCursor } } }";
const searchText = "query ($query: String!, $mode: SearchMode) { search(input: { query: $query, first: 10, mode: $mode }) { hits { document { id } } } }";

export class BusyClient {
  readonly #notes = new Map<string, Note>();
  readonly #conversations = new Set<string>();
  readonly failures: string[] = [];
  readonly writeMs: number[] = [];
  searches = 0;
  /** Beats at which nothing was sent, since the machine did not keep up. */
  skipped = 0;
  #underWay = 0;
  #turn = 0;
  readonly #stop = new AbortController();
  #loops: Promise<unknown> | undefined;

  constructor(private readonly endpoints: readonly Endpoint[]) {}

  begin(writesPerSecond: number): void {
    const written = this.#writes(writesPerSecond);
    this.#loops = Promise.all([written, this.#ready(written), ...this.endpoints.map((endpoint) => this.#search(endpoint))]);
  }

  /** Resolves when what was sent has been answered, and each document is ready. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#loops;
  }

  /** What one server has of all that was told, and of no more. */
  async differences(endpoint: Endpoint): Promise<readonly string[]> {
    const documents = await this.#all(endpoint, "documents", "id");
    const conversations = await this.#all(endpoint, "conversations", "id");
    const notes = this.#those("READY").map(({ id }) => id);
    return [...unlike("document", notes, documents), ...unlike("conversation", [...this.#conversations], conversations)];
  }

  /** Every document that is ready, looked for by its own words. */
  async recall(endpoint: Endpoint): Promise<{ readonly asked: number; readonly found: number }> {
    const ready = this.#those("READY");
    let found = 0;
    for (let start = 0; start < ready.length; start += searchesAtOnce) {
      const those = await Promise.all(ready.slice(start, start + searchesAtOnce).map((note) => this.#finds(endpoint, note, "HYBRID")));
      found += those.filter(Boolean).length;
    }
    return { asked: ready.length, found };
  }

  get told(): string {
    return `${this.#notes.size} documents, ${this.#those("DELETED").length} of them deleted again, and ${this.#conversations.size} conversations`;
  }

  async #writes(perSecond: number): Promise<void> {
    const begunAt = performance.now();
    const sent: Promise<void>[] = [];
    for (let n = 0; !this.#stop.signal.aborted; n += 1) {
      await sleep(Math.max(0, begunAt + (n * 1_000) / perSecond - performance.now()));
      if (this.#underWay >= underWayMax) this.skipped += 1;
      else sent.push(this.#write(n));
    }
    await Promise.all(sent);
  }

  /** Seven of ten start a conversation, two bring a document, one deletes one. */
  async #write(n: number): Promise<void> {
    this.#underWay += 1;
    try {
      if (n % 10 === 3 || n % 10 === 7) await this.#ingest(n);
      else if (n % 10 === 5) await this.#delete();
      else {
        const { startConversation } = await this.#timed(startText, { title: `Talk ${n}` });
        this.#conversations.add(String(startConversation?.["conversation"]?.["id"]));
      }
    } catch (error) {
      this.failures.push(`write: ${String(error)}`);
    } finally {
      this.#underWay -= 1;
    }
  }

  async #ingest(n: number): Promise<void> {
    const words = Array.from({ length: wordsOfNote }, randomWord).join(" ");
    const { ingestDocument } = await this.#timed(ingestText, { input: { title: `Note ${n}`, content: words, mediaType: "MARKDOWN" } });
    const id = String(ingestDocument?.["document"]?.["id"]);
    this.#notes.set(id, { id, words, state: "TAKEN" });
  }

  /** One look for all documents: whatever was taken before it and is not unfinished is ready, or lost, which searches will tell. */
  async #ready(written: Promise<void>): Promise<void> {
    let all = false;
    const last = written.then(() => void (all = true));
    for (;;) {
      if (all && this.#those("TAKEN").length === 0) return last;
      const taken = this.#those("TAKEN");
      try {
        const unfinished = new Map<string, string>();
        for (let after: string | null = null, more = true; more; ) {
          const { documents }: Json = await must(this.#next(), unfinishedText, { after });
          for (const node of listOf(documents?.["nodes"])) unfinished.set(String(node["id"]), String(node["state"]));
          more = String(documents?.["pageInfo"]?.["hasNextPage"]) === "true";
          after = String(documents?.["pageInfo"]?.["endCursor"]);
        }
        for (const note of taken) {
          if (unfinished.get(note.id) === "FAILED") throw internal(`Document ${note.id} failed`);
          if (!unfinished.has(note.id)) note.state = "READY";
        }
      } catch (error) {
        this.failures.push(`read: ${String(error)}`);
        if (this.failures.length > failuresMax) return;
      }
      await sleep(pollMs);
    }
  }

  async #delete(): Promise<void> {
    const note = this.#anyReady();
    if (note === undefined) return;
    note.state = "DELETING";
    await this.#timed(deleteText, { id: note.id });
    note.state = "DELETED";
  }

  async #search(endpoint: Endpoint): Promise<void> {
    for (let n = 0; !this.#stop.signal.aborted; n += 1) {
      const note = this.#anyReady();
      try {
        if (note !== undefined && !(await this.#finds(endpoint, note, modes[n % modes.length] ?? "HYBRID")) && note.state === "READY") this.failures.push(`search does not find ${note.id}`);
        if (note !== undefined) this.searches += 1;
      } catch (error) {
        this.failures.push(`search: ${String(error)}`);
      }
      await sleep(50);
    }
  }

  async #finds(endpoint: Endpoint, note: Note, mode: string): Promise<boolean> {
    const { search } = await must(endpoint, searchText, { query: note.words, mode });
    return listOf(search?.["hits"]).some((hit) => String(hit["document"]?.["id"]) === note.id);
  }

  #those(which: Note["state"]): readonly Note[] {
    return [...this.#notes.values()].filter(({ state }) => state === which);
  }

  #anyReady(): Note | undefined {
    const ready = this.#those("READY");
    return ready[Math.floor(Math.random() * ready.length)];
  }

  /** One server after the other: what is written on one is read on the other. */
  #next(): Endpoint {
    const endpoint = this.endpoints[(this.#turn += 1) % this.endpoints.length];
    if (endpoint === undefined) throw internal("No server to write to");
    return endpoint;
  }

  async #timed(query: string, variables: Readonly<Record<string, unknown>>): Promise<Json> {
    const startedAt = performance.now();
    const data = await must(this.#next(), query, variables);
    this.writeMs.push(performance.now() - startedAt);
    return data;
  }

  async #all(endpoint: Endpoint, field: string, of: string): Promise<readonly string[]> {
    const values: string[] = [];
    for (let after: string | null = null; ; ) {
      const data: Json = await must(endpoint, `query ($after: String) { ${field}(first: 100, after: $after) { nodes { ${of} } pageInfo { hasNextPage endCursor } } }`, { after });
      values.push(...listOf(data[field]?.["nodes"]).map((node) => String(node[of])));
      const info = data[field]?.["pageInfo"];
      if (String(info?.["hasNextPage"]) !== "true") return values;
      after = String(info?.["endCursor"]);
    }
  }
}

/** The answer's data. Throws when anything of it failed. */
export async function must({ url, token }: Endpoint, query: string, variables: Readonly<Record<string, unknown>>): Promise<Json> {
  const response = await fetch(`${url}/graphql`, { method: "POST", headers: { "content-type": "application/json", authorization: `Bearer ${token}` }, body: JSON.stringify({ query, variables }) });
  const text = await response.text();
  const { data, errors } = JSON.parse(text) as { data?: Json | null; errors?: readonly unknown[] };
  if (!response.ok || data === undefined || data === null || errors !== undefined) throw internal(`${response.status} ${text.slice(0, 300)}`);
  return data;
}

function randomWord(): string {
  return [...randomBytes(9)].map((byte) => String.fromCharCode(97 + (byte % 26))).join("");
}

/** Multisets compared, so that what is there twice is a difference too. */
function unlike(what: string, wanted: readonly string[], seen: readonly string[]): string[] {
  const [expected, found] = [new Set(wanted), new Set(seen)];
  const twice = seen.length - found.size;
  return [
    ...[...expected].filter((id) => !found.has(id)).map((id) => `${what} ${id} is lost`),
    ...[...found].filter((id) => !expected.has(id)).map((id) => `${what} ${id} was not told of`),
    ...(twice > 0 ? [`${twice} of ${what} are there twice`] : []),
  ];
}
