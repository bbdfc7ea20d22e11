import type { Deadline } from "../kernel/deadline.js";
import { badUserInput, notFound } from "../kernel/errors.js";
import { describe, isWellFormedId, newId, type DocumentId } from "../kernel/ids.js";
import type { DocumentReader } from "../retrieval/read/document-reader.js";
import type { TenantRouter } from "../routing/tenant-router.js";
import type { DocumentRow, MediaType } from "../storage/tenant-store.js";
import type { TenantContext } from "../tenancy/tenant-context.js";
import { FairTurns } from "./fair-turns.js";
import type { IngestionQueue } from "./ingestion-queue.js";

export interface IngestInput {
  readonly title: string;
  readonly content: Uint8Array;
  readonly mediaType: MediaType;
  readonly tags: readonly string[];
}

export interface IngestDocumentParts {
  readonly router: Pick<TenantRouter, "write">;
  readonly queue: Pick<IngestionQueue, "enqueue"> & { readonly reader: Pick<DocumentReader, "probe"> };
}

const titleCharsMax = 300;
const tagsMax = 20;
const tagCharsMax = 64;
const mediaTypes: readonly MediaType[] = ["text/plain", "text/markdown", "text/html", "application/pdf"];

/** Files opened at once to see whether they can be read: each may take a core for some seconds. */
const probesMax = 2;

/** Takes a document in: checked and stored now, made searchable in the background. */
export class IngestDocument {
  readonly #turns = new FairTurns(probesMax);

  constructor(private readonly parts: IngestDocumentParts) {}

  /**
   * Resolves when the document is stored as `PENDING`. Throws `BAD_USER_INPUT` for what is too large,
   * empty, not text, encrypted or broken, `LIMIT_EXCEEDED` when the tenant's tier is full: nothing is
   * written then.
   */
  async accept(context: TenantContext, deadline: Deadline, input: IngestInput): Promise<DocumentRow> {
    const { title, tags } = checkInput(input, context.policy.maxDocumentBytes);
    const { queue, router } = this.parts;
    const { content, mediaType } = input;
    await this.#turns.run(context.tenantId, deadline.signal, () => queue.reader.probe(content, mediaType, deadline.signal));
    const document = { id: newId<DocumentId>("document"), title, mediaType, tags, raw: content };
    const row = await router.write(context, deadline, (store) => store.documents.add(document, context.policy));
    queue.enqueue(context, row.id);
    return row;
  }

  /** Tries a `FAILED` document again. Throws `NOT_FOUND`, or `CONFLICT` in any other state. */
  async retry(context: TenantContext, deadline: Deadline, id: DocumentId): Promise<DocumentRow> {
    if (!isWellFormedId("document", id)) throw notFound("Document");
    const row = await this.parts.router.write(context, deadline, (store) => store.documents.retry(id));
    this.parts.queue.enqueue(context, row.id);
    return row;
  }
}

function checkInput(input: IngestInput, bytesMax: number): { readonly title: string; readonly tags: readonly string[] } {
  const title = input.title.trim();
  if (title === "" || title.length > titleCharsMax) throw badUserInput("title", `${title.length} characters`, `1 to ${titleCharsMax}`);
  if (!mediaTypes.includes(input.mediaType)) throw badUserInput("mediaType", describe(input.mediaType), `one of ${mediaTypes.join(", ")}`);
  const tags = [...new Set(input.tags)];
  if (tags.length > tagsMax) throw badUserInput("tags", `${tags.length} tags`, `at most ${tagsMax}`);
  const wrong = tags.find((tag) => tag.length === 0 || tag.length > tagCharsMax);
  if (wrong !== undefined) throw badUserInput("tags", describe(wrong), `tags of 1 to ${tagCharsMax} characters`);
  const bytes = input.content.byteLength;
  if (bytes === 0 || bytes > bytesMax) throw badUserInput("content", `${bytes} bytes`, `1 to ${bytesMax} bytes`);
  return { title, tags };
}
