import { basename, extname } from "node:path/posix";
import { badUserInput } from "../kernel/errors.js";
import { describe } from "../kernel/ids.js";
import type { IngestInput } from "../graphql/services.js";

type MediaType = IngestInput["mediaType"];

/** Files of one request. More is a batch that should be split: each waits for the others. */
export const filesMax = 100;

/** Files, their tags and a title, and the form's end. */
const partsMax = filesMax + 50;

/** For senders that know no better than `application/octet-stream`, as browsers do of Markdown. */
const byExtension: Readonly<Record<string, MediaType>> = { ".txt": "text/plain", ".md": "text/markdown", ".markdown": "text/markdown", ".html": "text/html", ".htm": "text/html", ".pdf": "application/pdf" };
const mediaTypes: ReadonlySet<string> = new Set(Object.values(byExtension));

export interface UploadRequest {
  readonly contentType: string | undefined;
  readonly query: URLSearchParams;
}

/**
 * The documents of one upload: the body itself, named by `?title=` or `?filename=`, or every file of a
 * `multipart/form-data` form (RFC 7578). `tags` repeat. Throws `BAD_USER_INPUT`.
 */
export async function readUpload(body: Buffer, { contentType, query }: UploadRequest): Promise<readonly IngestInput[]> {
  if (/^multipart\/form-data\b/i.test(contentType ?? "")) return readForm(body, contentType ?? "", query);
  const name = fileName(query.get("filename") ?? "");
  return [{ title: query.get("title") ?? name, mediaType: mediaTypeOf(contentType, name), tags: query.getAll("tags"), content: body }];
}

async function readForm(body: Buffer, contentType: string, query: URLSearchParams): Promise<readonly IngestInput[]> {
  const form = await parseForm(body, contentType);
  const parts = [...form.entries()];
  const files = parts.flatMap(([, part]) => (typeof part === "string" ? [] : [part]));
  if (files.length === 0 || files.length > filesMax) throw badUserInput("body", `${files.length} files`, `1 to ${filesMax} files`);
  const textsOf = (field: string): string[] => [...query.getAll(field), ...parts.flatMap(([name, part]) => (name === field && typeof part === "string" ? [part] : []))];
  const [title] = textsOf("title");
  if (title !== undefined && files.length > 1) throw badUserInput("title", "one title for several files", "none: each is named after its file");
  const tags = textsOf("tags");
  return Promise.all(files.map(async (file) => ({ title: title ?? fileName(file.name), mediaType: mediaTypeOf(file.type, file.name), tags, content: new Uint8Array(await file.arrayBuffer()) })));
}

/** Every part becomes an object before it can be counted: half a million empty ones would hold up the process for seconds. */
function assertFewParts(body: Buffer, contentType: string): void {
  const [, quoted, plain] = /boundary=(?:"([^"]+)"|([^;\s]+))/iu.exec(contentType) ?? [];
  const delimiter = `--${quoted ?? plain ?? ""}`;
  let parts = 0;
  for (let at = body.indexOf(delimiter); at >= 0; at = body.indexOf(delimiter, at + delimiter.length)) parts += 1;
  if (parts > partsMax) throw badUserInput("body", `${parts} parts and more`, `at most ${partsMax}`);
}

async function parseForm(body: Buffer, contentType: string): Promise<FormData> {
  assertFewParts(body, contentType);
  try {
    return await new Response(body, { headers: { "content-type": contentType } }).formData();
  } catch {
    throw badUserInput("body", "no form", "multipart/form-data with its boundary");
  }
}

/** What a browser sends as a name may be a path. */
function fileName(name: string): string {
  return basename(name.replaceAll("\\", "/"));
}

function mediaTypeOf(contentType: string | undefined, name: string): MediaType {
  const [type = ""] = (contentType ?? "").toLowerCase().split(";");
  if (mediaTypes.has(type.trim())) return type.trim() as MediaType;
  const known = byExtension[extname(name).toLowerCase()];
  if (known === undefined) throw badUserInput("content-type", describe(contentType ?? "none"), `one of ${[...mediaTypes].join(", ")}, or a file name that ends in ${Object.keys(byExtension).join(", ")}`);
  return known;
}
