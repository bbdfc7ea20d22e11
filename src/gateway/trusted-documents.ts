/**
 * Trusted documents: a server that is told which operations its front ends hold runs those and no
 * other. The check comes before parsing, so a stranger's document costs one hash. Before it: the
 * body as it came. After it: token, limits and price, as for any document.
 */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { z } from "zod";
import { badUserInput, documentNotTrusted } from "../kernel/errors.js";

/** What a request says about its document. Nothing of it is trusted to have a type. */
export interface DocumentRequest {
  readonly query?: unknown;
  /** Of GraphQL over HTTP's appendix on persisted documents: `sha256:` and 64 hexadecimal digits. */
  readonly documentId?: unknown;
  /** `persistedQuery.sha256Hash`, as Apollo Client sends it. */
  readonly extensions?: unknown;
}

/** Where the document of a request comes from: from the request, or from what this server trusts. */
export interface DocumentSource {
  /** Whether only some documents may run. */
  readonly isClosed: boolean;
  /** The document's text. Throws `DOCUMENT_NOT_TRUSTED`. Where every document may run, whatever the request has. */
  documentOf(request: DocumentRequest): unknown;
}

export const anyDocument: DocumentSource = Object.freeze({ isClosed: false, documentOf: ({ query }: DocumentRequest) => query });

const manifestSchema = z.record(z.string().regex(/^[0-9a-f]{64}$/u), z.string().min(1));
const persistedSchema = z.object({ persistedQuery: z.object({ sha256Hash: z.string() }) });

export class TrustedDocuments implements DocumentSource {
  readonly isClosed = true;

  private constructor(private readonly documents: ReadonlyMap<string, string>) {}

  /** Reads manifests of `{ "<sha256>": "<document>" }`. Throws `BAD_USER_INPUT` for one that cannot be read or whose hash is not its document's. */
  static async read(paths: readonly string[]): Promise<TrustedDocuments> {
    const manifests = await Promise.all(paths.map(readManifest));
    return new TrustedDocuments(new Map(manifests.flatMap((manifest) => Object.entries(manifest))));
  }

  get size(): number {
    return this.documents.size;
  }

  documentOf(request: DocumentRequest): string {
    const document = this.documents.get(hashOf(request) ?? "");
    if (document === undefined) throw documentNotTrusted();
    return document;
  }
}

/** A batch has no document, and so is refused with the rest. */
export function trustedBody(body: unknown, documents: DocumentSource): Record<string, unknown> {
  const { documentId, extensions, ...rest } = typeof body === "object" && body !== null && !Array.isArray(body) ? (body as Record<string, unknown>) : {};
  return { ...rest, query: documents.documentOf({ query: rest["query"], documentId, extensions }) };
}

/** A text is looked up by its own hash: a client that sends both gets what the text says, not what the hash claims. */
function hashOf({ query, documentId, extensions }: DocumentRequest): string | undefined {
  if (typeof query === "string" && query !== "") return sha256Of(query);
  if (typeof documentId === "string") return /^sha256:([0-9a-f]{64})$/u.exec(documentId)?.[1];
  const persisted = persistedSchema.safeParse(extensions);
  return persisted.success ? persisted.data.persistedQuery.sha256Hash : undefined;
}

export function sha256Of(document: string): string {
  return createHash("sha256").update(document).digest("hex");
}

async function readManifest(path: string): Promise<z.infer<typeof manifestSchema>> {
  const parsed = manifestSchema.safeParse(await readJson(path));
  if (!parsed.success) throw badUserInput("TRUSTED_DOCUMENTS", `${path}: ${parsed.error.issues[0]?.message ?? "another form"}`, 'files of { "<sha256>": "<document>" }');
  for (const [hash, document] of Object.entries(parsed.data)) {
    // Else an entry could run under the hash of another, which someone has read and trusted.
    if (sha256Of(document) !== hash) throw badUserInput("TRUSTED_DOCUMENTS", `${path}: ${hash}, which is not its document's`, "each document under its own SHA-256");
  }
  return parsed.data;
}

async function readJson(path: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(path, "utf8")) as unknown;
  } catch (error) {
    throw badUserInput("TRUSTED_DOCUMENTS", error instanceof Error ? error.message : String(error), "paths of JSON files, separated by commas");
  }
}
