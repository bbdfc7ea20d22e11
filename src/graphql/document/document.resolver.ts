import "reflect-metadata";
import { Arg, Args, Ctx, ID, Mutation, Query, Resolver, Root, Subscription } from "type-graphql";
import { notFound } from "../../kernel/errors.js";
import { isWellFormedId, type DocumentId } from "../../kernel/ids.js";
import { parseDocumentFilter } from "../../storage/narrowing-filter.js";
import type { DocumentRow } from "../../storage/tenant-store.js";
import { PageArgs, parsePageRequest, toConnection, type Connection } from "../connection.js";
import { asTenant, type RequestContext } from "../request-context.js";
import { DeleteDocumentInput, DocumentFilterInput, IngestDocumentInput, parseIngestInput, RetryIngestionInput } from "./document.input.js";
import { DeleteDocumentPayloadType, DocumentConnectionType, DocumentType, IngestDocumentPayloadType, IngestionEventType } from "./document.type.js";

@Resolver()
export class DocumentResolver {
  @Query(() => DocumentConnectionType, { nullable: true, description: "The tenant's documents, newest first." })
  async documents(
    @Args(() => PageArgs) args: PageArgs,
    @Arg("filter", () => DocumentFilterInput, { nullable: true }) input: DocumentFilterInput | undefined,
    @Ctx() context: RequestContext,
  ): Promise<Connection<DocumentRow>> {
    const { services, tenant, deadline } = asTenant(context);
    const request = parsePageRequest(args);
    const filter = parseDocumentFilter(input);
    return toConnection(await services.stores.read(tenant, deadline, (store) => store.documents.page(request, filter)), request);
  }

  @Query(() => DocumentType, { nullable: true, description: "One document. `NOT_FOUND` when the tenant has none with this id." })
  async document(@Arg("id", () => ID) id: string, @Ctx() context: RequestContext): Promise<DocumentRow> {
    const row = await asTenant(context).loaders.document(id);
    if (row === undefined) throw notFound("Document");
    return row;
  }

  @Mutation(() => IngestDocumentPayloadType, { nullable: true, description: "Stores a document and starts making it searchable. Follow it with the `ingestion` subscription or by its `state`. For admins." })
  async ingestDocument(@Arg("input", () => IngestDocumentInput) input: IngestDocumentInput, @Ctx() context: RequestContext): Promise<{ document: DocumentRow }> {
    const { services, tenant, deadline } = asTenant(context);
    return { document: await services.ingestion.accept(tenant, deadline, parseIngestInput(input)) };
  }

  @Mutation(() => IngestDocumentPayloadType, { nullable: true, description: "Tries a `FAILED` document again. `CONFLICT` in any other state. For admins." })
  async retryIngestion(@Arg("input", () => RetryIngestionInput) input: RetryIngestionInput, @Ctx() context: RequestContext): Promise<{ document: DocumentRow }> {
    const { services, tenant, deadline, loaders } = asTenant(context);
    const id = documentId(input.documentId);
    const document = await services.ingestion.retry(tenant, deadline, id);
    loaders.forget(id);
    return { document };
  }

  @Mutation(() => DeleteDocumentPayloadType, { nullable: true, description: "Deletes a document with its passages, vectors, terms and stored content. For admins." })
  async deleteDocument(@Arg("input", () => DeleteDocumentInput) input: DeleteDocumentInput, @Ctx() context: RequestContext): Promise<DeleteDocumentPayloadType> {
    const { services, tenant, deadline, loaders } = asTenant(context);
    const id = documentId(input.documentId);
    if (!(await services.stores.write(tenant, deadline, (store) => store.documents.remove(id)))) throw notFound("Document");
    loaders.forget(id);
    return { documentId: id };
  }

  @Subscription(() => IngestionEventType, {
    nullable: true,
    description: "A document's processing, from its present state until it is `READY` or `FAILED`.",
    subscribe: ({ args, context }: { args: { documentId?: unknown }; context: RequestContext }) => watchIngestion(args.documentId, context),
  })
  ingestion(@Arg("documentId", () => ID) _documentId: string, @Root() row: DocumentRow): { document: DocumentRow } {
    return { document: row };
  }
}

async function* watchIngestion(id: unknown, context: RequestContext): AsyncGenerator<DocumentRow> {
  const { services, tenant, deadline, loaders } = asTenant(context);
  const known = typeof id === "string" ? await loaders.document(id) : undefined;
  if (known === undefined) throw notFound("Document");
  yield* services.ingestionProgress.watch(tenant, known.id, deadline.signal);
}

function documentId(id: string): DocumentId {
  if (!isWellFormedId("document", id)) throw notFound("Document");
  return id as DocumentId;
}
