import "reflect-metadata";
import { Arg, Ctx, FieldResolver, ID, Query, Resolver, Root } from "type-graphql";
import { notFound } from "../../kernel/errors.js";
import { isWellFormedId, type ChunkId } from "../../kernel/ids.js";
import type { DocumentRow, PassageRow } from "../../storage/tenant-store.js";
import { DocumentType } from "../document/document.type.js";
import { asTenant, type RequestContext } from "../request-context.js";
import { PassageType } from "./passage.type.js";

@Resolver(() => PassageType)
export class PassageResolver {
  @Query(() => PassageType, { nullable: true, description: "A passage with its neighbours, by the `chunkId` of a citation or hit. `NOT_FOUND` when the tenant has none with this id, and once its document was replaced or deleted." })
  async passage(@Arg("id", () => ID) id: string, @Ctx() context: RequestContext): Promise<PassageRow> {
    const { services, tenant, deadline } = asTenant(context);
    if (!isWellFormedId("chunk", id)) throw notFound("Passage");
    const row = await services.stores.read(tenant, deadline, (store) => store.chunks.passage(id as ChunkId));
    if (row === undefined) throw notFound("Passage");
    return row;
  }

  @FieldResolver(() => DocumentType)
  async document(@Root() { documentId }: PassageRow, @Ctx() context: RequestContext): Promise<DocumentRow> {
    const row = await asTenant(context).loaders.document(documentId);
    // Deleted since the passage was read: the passage went with it.
    if (row === undefined) throw notFound("Passage");
    return row;
  }
}
