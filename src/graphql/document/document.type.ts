import "reflect-metadata";
import { Field, ID, Int, ObjectType } from "type-graphql";
import type { DocumentState, MediaType } from "../../storage/tenant-store.js";
import { connectionType } from "../connection.js";
import { documentStateEnum, mediaTypeEnum } from "../enums.js";
import { dateTime, safeInt } from "../scalars.js";

@ObjectType("DocumentFailure", { simpleResolvers: true, description: "Why a document could not be processed." })
export class DocumentFailureType {
  @Field(() => String, { description: "A code of the error catalogue." })
  code!: string;

  @Field(() => String, { description: "The reason in words." })
  message!: string;
}

@ObjectType("Document", { simpleResolvers: true, description: "A document of the tenant." })
export class DocumentType {
  @Field(() => ID, { description: "Opaque." })
  id!: string;

  @Field(() => String, { description: "The title it was ingested with." })
  title!: string;

  @Field(() => mediaTypeEnum, { description: "How its content is read." })
  mediaType!: MediaType;

  @Field(() => [String], { description: "Labels that `filter.tags` selects by." })
  tags!: readonly string[];

  @Field(() => documentStateEnum, { description: "How far it has come. Search returns it when it is `READY`." })
  state!: DocumentState;

  @Field(() => DocumentFailureType, { nullable: true, description: "Why it is `FAILED`; null in any other state." })
  failure?: DocumentFailureType;

  @Field(() => safeInt, { description: "Size of the content as it was sent." })
  bytes!: number;

  @Field(() => Int, { description: "Number of passages that search can return." })
  chunkCount!: number;

  @Field(() => Int, { description: "The version whose passages are visible; 0 while none is." })
  version!: number;

  @Field(() => String, { description: "SHA-256 of the content as it was sent, in hexadecimal." })
  contentSha256!: string;

  @Field(() => dateTime, { description: "When it was ingested." })
  createdAt!: Date;

  @Field(() => dateTime, { description: "When its state last changed." })
  updatedAt!: Date;
}

export const DocumentConnectionType = connectionType("Document", () => DocumentType);

@ObjectType("IngestDocumentPayload", { simpleResolvers: true, description: "The document as stored. It is not searchable before its state is `READY`." })
export class IngestDocumentPayloadType {
  @Field(() => DocumentType, { description: "The document." })
  document!: DocumentType;
}

@ObjectType("DeleteDocumentPayload", { simpleResolvers: true, description: "What was deleted." })
export class DeleteDocumentPayloadType {
  @Field(() => ID, { description: "The id of the document that is gone." })
  documentId!: string;
}

@ObjectType("IngestionEvent", { simpleResolvers: true, description: "A step of a document's processing." })
export class IngestionEventType {
  @Field(() => DocumentType, { description: "The document as it is now." })
  document!: DocumentType;
}
