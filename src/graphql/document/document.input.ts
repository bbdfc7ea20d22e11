import "reflect-metadata";
import { Field, ID, InputType } from "type-graphql";
import { badUserInput } from "../../kernel/errors.js";
import { describe } from "../../kernel/ids.js";
import type { DocumentState, MediaType } from "../../storage/tenant-store.js";
import { documentStateEnum, mediaTypeEnum } from "../enums.js";
import type { IngestInput } from "../services.js";

const titleCharsMax = 256;
const tagsMax = 20;
const tagCharsMax = 64;

@InputType("DocumentFilter", { description: "Narrows a list of documents. Conditions given together must all hold." })
export class DocumentFilterInput {
  @Field(() => [documentStateEnum], { nullable: true, description: "Documents in any of these states." })
  states?: DocumentState[];

  @Field(() => [mediaTypeEnum], { nullable: true, description: "Documents of any of these types." })
  mediaTypes?: MediaType[];

  @Field(() => [String], { nullable: true, description: "Documents that carry every one of these tags." })
  tags?: string[];

  @Field(() => String, { nullable: true, description: "Documents whose title contains this text, in any case." })
  titleContains?: string;
}

@InputType("IngestDocumentInput", { description: "A document to store and make searchable. Give either `content` or `contentBase64`." })
export class IngestDocumentInput {
  @Field(() => String, { description: `A title of 1 to ${titleCharsMax} characters.` })
  title!: string;

  @Field(() => mediaTypeEnum, { description: "How to read the content." })
  mediaType!: MediaType;

  @Field(() => String, { nullable: true, description: "The content as text, for all types but PDF." })
  content?: string;

  @Field(() => String, { nullable: true, description: "The content in base64, for PDF or for text that is to be stored byte by byte." })
  contentBase64?: string;

  @Field(() => [String], { nullable: true, description: `At most ${tagsMax} labels of at most ${tagCharsMax} characters.` })
  tags?: string[];
}

@InputType("RetryIngestionInput", { description: "Which failed document to try again." })
export class RetryIngestionInput {
  @Field(() => ID, { description: "The document's id." })
  documentId!: string;
}

@InputType("DeleteDocumentInput", { description: "Which document to delete." })
export class DeleteDocumentInput {
  @Field(() => ID, { description: "The document's id." })
  documentId!: string;
}

/** Throws `BAD_USER_INPUT`. Size limits are the tier's and are checked where the document is accepted. */
export function parseIngestInput(input: IngestDocumentInput): IngestInput {
  const title = input.title.trim();
  if (title.length === 0 || title.length > titleCharsMax) throw badUserInput("title", `${title.length} characters`, `1 to ${titleCharsMax}`);
  return { title, mediaType: input.mediaType, tags: parseTags(input.tags ?? []), content: parseContent(input) };
}

function parseTags(tags: readonly string[]): readonly string[] {
  if (tags.length > tagsMax) throw badUserInput("tags", `${tags.length} tags`, `at most ${tagsMax}`);
  for (const tag of tags) {
    if (tag.length === 0 || tag.length > tagCharsMax) throw badUserInput("tags", describe(tag), `tags of 1 to ${tagCharsMax} characters`);
  }
  return [...new Set(tags)];
}

function parseContent(input: IngestDocumentInput): Uint8Array {
  const { content, contentBase64 } = input;
  if (typeof content === "string" && typeof contentBase64 === "string") throw badUserInput("content", "both content and contentBase64", "one of them");
  if (typeof contentBase64 === "string") return decodeBase64(contentBase64);
  if (typeof content !== "string") throw badUserInput("content", "neither content nor contentBase64", "one of them");
  if (input.mediaType === "application/pdf") throw badUserInput("content", "text for a PDF", "contentBase64 for a PDF");
  return Buffer.from(content, "utf8");
}

function decodeBase64(text: string): Uint8Array {
  const bytes = Buffer.from(text, "base64");
  // Node skips characters that are not base64, so a damaged upload would be stored as another document.
  if (bytes.toString("base64").replace(/=+$/, "") !== text.replace(/=+$/, "")) throw badUserInput("contentBase64", describe(text), "base64 without line breaks");
  return bytes;
}
