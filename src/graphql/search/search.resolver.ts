import "reflect-metadata";
import type { GraphQLResolveInfo } from "graphql";
import { Arg, Ctx, FieldResolver, Info, Query, Resolver, Root } from "type-graphql";
import { badUserInput, BulkheadError } from "../../kernel/errors.js";
import type { TenantId, DocumentId } from "../../kernel/ids.js";
import { isRefusal, type Refusal } from "../../kernel/refusal.js";
import { parseSearchFilter } from "../../storage/narrowing-filter.js";
import type { DocumentRow } from "../../storage/tenant-store.js";
import { parseFirst } from "../connection.js";
import { DocumentType } from "../document/document.type.js";
import { asTenant, type RequestContext } from "../request-context.js";
import { responsePath } from "../response-path.js";
import type { RankedPassage, SearchMode } from "../services.js";
import { SearchHitType, SearchInput, SearchResultType } from "./search.type.js";

interface SearchHit {
  readonly tenantId: TenantId;
  readonly documentId: DocumentId;
  readonly chunkId: string;
  readonly ordinal: number;
  readonly headings: readonly string[];
  readonly snippet: string;
  readonly score: number;
  readonly vectorScore?: number;
  readonly textScore?: number;
}

@Resolver(() => SearchHitType)
export class SearchResolver {
  @Query(() => SearchResultType, { nullable: true, description: "Finds passages in the tenant's documents. A refusal, such as `RATE_LIMITED`, is an error of this field." })
  async search(
    @Arg("input", () => SearchInput) input: SearchInput,
    @Ctx() context: RequestContext,
    @Info() info: GraphQLResolveInfo,
  ): Promise<{ mode: SearchMode; hits: readonly SearchHit[] }> {
    const { services, tenant, deadline } = asTenant(context);
    const query = parseQuery(input.query, tenant.policy.maxQuestionChars);
    const mode = input.mode ?? "HYBRID";
    const found = await services.search.run(
      tenant,
      deadline,
      { query, first: parseFirst(input.first), filter: parseSearchFilter(input.filter), mode },
      responsePath(info),
    );
    if (isRefusal(found)) throw asError(found);
    return { mode, hits: found.hits.map(toHit) };
  }

  @FieldResolver(() => DocumentType, { nullable: true })
  async document(@Root() hit: SearchHit, @Ctx() context: RequestContext): Promise<DocumentRow | undefined> {
    return asTenant(context).loaders.document(hit.documentId);
  }
}

function parseQuery(text: string, charsMax: number): string {
  const query = text.trim();
  if (query.length === 0 || query.length > charsMax) throw badUserInput("query", `${query.length} characters`, `1 to ${charsMax}`);
  return query;
}

/** `SearchResult` has no refused form, so here alone a refusal becomes an error, with what the caller needs to wait. */
function asError({ code, message, retryAfterMs, limit }: Refusal): BulkheadError {
  return new BulkheadError(code, message, { ...(retryAfterMs === undefined ? {} : { retryAfterMs }), ...(limit === undefined ? {} : { limit }) });
}

function toHit({ chunk, ...scores }: RankedPassage): SearchHit {
  return { tenantId: chunk.tenantId, documentId: chunk.documentId, chunkId: chunk.id, ordinal: chunk.ordinal, headings: chunk.headings, snippet: chunk.text, ...scores };
}
