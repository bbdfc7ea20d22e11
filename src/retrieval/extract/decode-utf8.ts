import { UnreadableDocument } from "./unreadable-document.js";

/** Strict: a document in another encoding would otherwise be searchable as rubbish and answer wrongly. */
export function decodeUtf8(content: Uint8Array): string {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(content);
  } catch {
    throw new UnreadableDocument("bytes that are not UTF-8", "text in UTF-8");
  }
  // Valid UTF-8, but no text has it: an archive or a picture under a text's name.
  if (text.includes("\u0000")) throw new UnreadableDocument("binary data", "text in UTF-8");
  return text.replaceAll(/\r\n?/g, "\n");
}
