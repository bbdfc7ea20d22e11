import { z } from "zod";
import { internal } from "../kernel/errors.js";
import type { ChunkId, ConversationId, DocumentId } from "../kernel/ids.js";
import type { Answered } from "./answer-event.js";

const storedSchema = z.strictObject({
  id: z.string(),
  text: z.string(),
  finishReason: z.enum(["STOP", "LENGTH", "ABSTAINED"]),
  citations: z.array(z.strictObject({ documentId: z.string(), chunkId: z.string(), snippet: z.string(), score: z.number() })),
  usage: z.strictObject({ promptTokens: z.number(), completionTokens: z.number(), costMicroUsd: z.number() }),
  cached: z.boolean(),
  model: z.string(),
  conversationId: z.string().optional(),
  latency: z.strictObject({ totalMs: z.number(), stages: z.array(z.strictObject({ name: z.string(), ms: z.number() })) }),
});

/** An answer as a text to be kept. */
export function writeAnswer(answer: Answered): string {
  const { kind: _kind, replayed: _replayed, ...stored } = answer;
  return JSON.stringify(stored);
}

/** The answer again, as it was given the first time. Throws `INTERNAL` for a text that is none. */
export function readAnswer(text: string): Answered {
  const parsed = storedSchema.safeParse(JSON.parse(text));
  if (!parsed.success) throw internal("A kept answer cannot be read", parsed.error);
  const { conversationId, citations, ...rest } = parsed.data;
  return {
    ...rest,
    kind: "ANSWER",
    replayed: true,
    citations: citations.map((citation) => ({ ...citation, documentId: citation.documentId as DocumentId, chunkId: citation.chunkId as ChunkId })),
    ...(conversationId === undefined ? {} : { conversationId: conversationId as ConversationId }),
  };
}
