/** A tenant's client that remembers what it was told, to be held against the server later. */
import { setTimeout as sleep } from "node:timers/promises";
import { listOf, type Json } from "../acceptance/server.js";
import type { ServerProcess } from "../support/server-process.js";

export const askText = `mutation ($input: AskInput!) { ask(input: $input) { __typename ... on Answer { text usage { promptTokens completionTokens } } ... on Refusal { code } } }`;
export const question = { input: { question: "What does a pallet of cement cost?", skipCache: true } };
export const priceList = (price: number): string => `# Prices\n\nA pallet of cement costs ${price} EUR. A pallet of sand costs 87 EUR.`;

const ingestText = "mutation ($input: IngestDocumentInput!) { ingestDocument(input: $input) { document { id } } }";

export interface Told {
  /** Documents whose ingest was acknowledged, by id. */
  readonly documents: Set<string>;
  /** Writes whose fate is unknown: the connection was cut, or an error came back. */
  unknownWrites: number;
  /** What each asker, who asks once, was told to have spent. */
  readonly answers: Map<string, number>;
  /** Askers who got no answer. */
  unknownAnswers: number;
  refusals: number;
  readonly errors: string[];
}

export function nothingTold(): Told {
  return { documents: new Set(), unknownWrites: 0, answers: new Map(), unknownAnswers: 0, refusals: 0, errors: [] };
}

export class Client {
  #next = 0;

  constructor(readonly tenant: string, readonly told: Told) {}

  async ingest(server: ServerProcess): Promise<void> {
    this.#next += 1;
    const input = { title: `Price list ${this.#next}`, content: priceList(100 + this.#next), mediaType: "MARKDOWN" };
    try {
      const answer = await server.ask({ tenant: this.tenant }, ingestText, { input });
      const id = answer.data["ingestDocument"]?.["document"]?.["id"];
      if (id === undefined) this.told.errors.push(...answer.errors.map(({ extensions }) => String(extensions["code"])));
      if (id === undefined) this.told.unknownWrites += 1;
      else this.told.documents.add(String(id));
    } catch {
      // The connection ended: the document may be there or not.
      this.told.unknownWrites += 1;
    }
  }

  /** Each question by a user of its own, so that the ledger tells one from another. */
  async ask(server: ServerProcess): Promise<void> {
    this.#next += 1;
    const user = `asker-${this.#next}`;
    try {
      const answer = await server.ask({ tenant: this.tenant, roles: ["member"], user }, askText, question);
      const ask = answer.data["ask"];
      const kind = String(ask?.["__typename"]);
      if (kind === "Answer") this.told.answers.set(user, tokensOf(ask?.["usage"]));
      else if (kind === "Refusal") this.told.refusals += 1;
      else this.told.unknownAnswers += 1;
      this.told.errors.push(...answer.errors.map(({ extensions }) => String(extensions["code"])));
    } catch {
      this.told.unknownAnswers += 1;
    }
  }
}

export function tokensOf(usage: Json | undefined): number {
  return Number(usage?.["promptTokens"]) + Number(usage?.["completionTokens"]);
}

/** Calls and tokens of one user, as that user sees them. */
export async function spentBy(server: ServerProcess, tenant: string, user: string): Promise<{ calls: number; tokens: number }> {
  const { usage } = (
    await eventually(async () => {
      const answer = await server.ask({ tenant, roles: ["member"], user }, "{ usage(input: { groupBy: USER }) { total { calls promptTokens completionTokens } } }");
      // Many users of one tenant share its requests a minute.
      return answer.status === 429 ? undefined : answer;
    })
  ).data;
  return { calls: Number(usage?.["total"]?.["calls"]), tokens: tokensOf(usage?.["total"]) };
}

/** All documents of a tenant: id and state. */
export async function documentsOf(server: ServerProcess, tenant: string): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  let after: string | null = null;
  do {
    const { documents }: Json = await server.must({ tenant }, "query ($after: String) { documents(first: 100, after: $after) { nodes { id state } pageInfo { hasNextPage endCursor } } }", { after });
    for (const node of listOf(documents?.["nodes"])) found.set(String(node["id"]), String(node["state"]));
    after = String(documents?.["pageInfo"]?.["hasNextPage"]) === "true" ? String(documents?.["pageInfo"]?.["endCursor"]) : null;
  } while (after !== null);
  return found;
}

export async function createTenant(server: ServerProcess, id: string, tier: string): Promise<void> {
  await server.must("operator", "mutation ($input: CreateTenantInput!) { createTenant(input: $input) { tenant { id } } }", { input: { id, name: id, tier } });
}

/** Waits until no move is under way; resolves with the tenant as the operator sees it. */
export async function settled(server: ServerProcess, id: string): Promise<Json> {
  return eventually(async () => {
    const { tenant } = await server.must("operator", "query ($id: ID!) { tenant(id: $id) { tier placement latestMove { phase failure } } }", { id });
    const phase = String(tenant?.["latestMove"]?.["phase"] ?? "DONE");
    // A change of tier that comes while a move is observed calls it back, so it may end in any of these.
    return String(tenant?.["placement"]) !== "MOVING" && ["DONE", "FAILED", "CANCELLED", "REVERTED"].includes(phase) ? tenant : undefined;
  });
}

/** Longer than a lease of a dead server's move, on a machine that is busy. */
const eventuallyMsMax = 90_000;

export async function eventually<T>(look: () => Promise<T | undefined>): Promise<T> {
  const end = Date.now() + eventuallyMsMax;
  for (;;) {
    const value = await look();
    if (value !== undefined) return value;
    if (Date.now() > end) throw new TypeError(`What was waited for did not happen within ${eventuallyMsMax / 1_000} s`);
    await sleep(250);
  }
}
