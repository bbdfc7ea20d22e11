import { randomUUID } from "node:crypto";
import type { BulkheadClient } from "./client.js";
import { AnswerDocument, AskDocument, DocumentsDocument } from "./generated.js";

/** Asks, streams, and pages: what a front end does most. */
export async function runExample(client: BulkheadClient, question: string, say: (line: string) => void): Promise<void> {
  await ask(client, question, say);
  await stream(client, question, say);
  for await (const title of titles(client, 2)) say(`Document: ${title}`);
}

async function ask(client: BulkheadClient, question: string, say: (line: string) => void): Promise<void> {
  const { ask: result } = await client.request(AskDocument, { question, idempotencyKey: randomUUID() });
  // A refusal is a value: it says when to come again.
  if (result !== null && "text" in result) say(`Answer: ${result.text} (${result.citations.length} citations, ${result.usage.cost})`);
  else say(`Refused: ${result?.code ?? "nothing"}`);
}

/** Its key makes it safe to send again: a stream that is lost is read from its first word, and asked and paid for once. */
async function stream(client: BulkheadClient, question: string, say: (line: string) => void): Promise<void> {
  let written = "";
  for await (const { answer: event } of client.subscribe(AnswerDocument, { question, idempotencyKey: randomUUID() })) {
    if (event === null || !("text" in event)) continue;
    if ("finishReason" in event) return say(`Streamed: ${event.text} (${event.finishReason})`);
    written += event.text;
  }
  say(`Cut off after: ${written}`);
}

async function* titles(client: BulkheadClient, first: number): AsyncGenerator<string> {
  for (let after: string | null = null; ; ) {
    const { documents }: { documents: DocumentPage | null } = await client.request(DocumentsDocument, { first, after });
    for (const { title } of documents?.nodes ?? []) yield title;
    if (documents?.pageInfo.hasNextPage !== true) return;
    after = documents.pageInfo.endCursor;
  }
}

interface DocumentPage {
  readonly nodes: readonly { readonly title: string }[];
  readonly pageInfo: { readonly hasNextPage: boolean; readonly endCursor: string | null };
}
