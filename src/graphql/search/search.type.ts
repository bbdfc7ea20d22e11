import "reflect-metadata";
import { Field, Float, ID, InputType, Int, ObjectType } from "type-graphql";
import type { MediaType } from "../../storage/tenant-store.js";
import { mediaTypeEnum, searchModeEnum } from "../enums.js";
import { DocumentType } from "../document/document.type.js";
import type { SearchMode } from "../services.js";

@InputType("SearchFilter", { description: "Narrows a search. Conditions given together must all hold." })
export class SearchFilterInput {
  @Field(() => [ID], { nullable: true, description: "Passages of these documents alone." })
  documentIds?: string[];

  @Field(() => [mediaTypeEnum], { nullable: true, description: "Passages of documents of any of these types." })
  mediaTypes?: MediaType[];

  @Field(() => [String], { nullable: true, description: "Passages of documents that carry every one of these tags." })
  tags?: string[];
}

@InputType("SearchInput", { description: "What to look for." })
export class SearchInput {
  @Field(() => String, { description: "A question or a few words." })
  query!: string;

  @Field(() => Int, { nullable: true, description: "How many passages to return, 1 to 100. 20 when left out." })
  first?: number | null;

  @Field(() => SearchFilterInput, { nullable: true, description: "Narrows the search." })
  filter?: SearchFilterInput | null;

  @Field(() => searchModeEnum, { nullable: true, description: "`HYBRID` when left out." })
  mode?: SearchMode | null;
}

@ObjectType("SearchHit", { simpleResolvers: true, description: "A passage that was found." })
export class SearchHitType {
  @Field(() => DocumentType, { nullable: true, description: "The document it stands in; null if that was deleted meanwhile." })
  document?: DocumentType;

  @Field(() => ID, { description: "The passage's id. Opaque." })
  chunkId!: string;

  @Field(() => Int, { description: "Which passage of its document, from 0." })
  ordinal!: number;

  @Field(() => [String], { description: "The headings it stands under, outermost first." })
  headings!: readonly string[];

  @Field(() => String, { description: "The passage's text." })
  snippet!: string;

  @Field(() => Float, { description: "Relevance from 0 to 1, by which hits are ordered." })
  score!: number;

  @Field(() => Float, { nullable: true, description: "Cosine of the angle between question and passage, −1 to 1; null when the vector leg did not find it." })
  vectorScore?: number;

  @Field(() => Float, { nullable: true, description: "BM25 as a share of the best attainable, 0 to 1; null when the text leg did not find it." })
  textScore?: number;
}

@ObjectType("SearchResult", { simpleResolvers: true, description: "Passages of the tenant's documents, best first." })
export class SearchResultType {
  @Field(() => searchModeEnum, { description: "How they were found." })
  mode!: SearchMode;

  @Field(() => [SearchHitType], { description: "The passages." })
  hits!: readonly SearchHitType[];
}
