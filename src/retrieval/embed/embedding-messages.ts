/** What passes between the main thread and an embedding worker: one text at a time, so that a dropped request costs at most one text. */
export interface EmbedMessage {
  readonly id: number;
  readonly text: string;
}

export type EmbeddingReply =
  | { readonly kind: "READY"; readonly loadMs: number }
  | { readonly kind: "VECTOR"; readonly id: number; readonly vector: Float32Array; readonly tokens: number }
  | { readonly kind: "FAILED"; readonly id: number; readonly message: string };

export interface EmbeddingWorkerData {
  /** Documents' work: the thread stands behind those that answer requests. */
  readonly background: boolean;
}
