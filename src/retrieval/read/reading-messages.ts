import type { MediaType } from "../../storage/tenant-store.js";
import type { PreparedChunk } from "./prepared-chunk.js";

/** What passes between the main thread and a reading thread. */
export type ReadingTask =
  | { readonly kind: "PROBE"; readonly content: Uint8Array; readonly mediaType: MediaType }
  | { readonly kind: "PREPARE"; readonly content: Uint8Array; readonly mediaType: MediaType; readonly title: string };

export type ReadingReply =
  | { readonly kind: "DONE"; readonly chunks: readonly PreparedChunk[] }
  | { readonly kind: "UNREADABLE"; readonly got: string; readonly expected: string }
  /** A fault of ours, not of the document. */
  | { readonly kind: "FAILED"; readonly message: string };
