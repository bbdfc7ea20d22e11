import "reflect-metadata";
import { Field, ID, Int, ObjectType } from "type-graphql";
import { DocumentType } from "../document/document.type.js";

@ObjectType("Passage", { simpleResolvers: true, description: "A passage of a document, where it stands." })
export class PassageType {
  @Field(() => ID, { description: "What citations and hits call `chunkId`. Opaque." })
  id!: string;

  @Field(() => DocumentType, { description: "The document it stands in." })
  document!: DocumentType;

  @Field(() => Int, { description: "Which passage of its document, from 0." })
  ordinal!: number;

  @Field(() => [String], { description: "The headings it stands under, outermost first." })
  headings!: readonly string[];

  @Field(() => String, { description: "Its text." })
  text!: string;

  @Field(() => String, { nullable: true, description: "The text of the passage before it; null when it is the first." })
  before?: string;

  @Field(() => String, { nullable: true, description: "The text of the passage after it; null when it is the last." })
  after?: string;
}
