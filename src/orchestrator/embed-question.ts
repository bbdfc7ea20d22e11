import type { Deadline } from "../kernel/deadline.js";
import type { Refusal } from "../kernel/refusal.js";
import { internal } from "../kernel/errors.js";
import type { Door, MeteredCall } from "../metering/door.js";
import type { Embedder } from "../retrieval/embedder.js";
import type { TenantContext } from "../tenancy/tenant-context.js";

/** What the caller decides; the rest of the metered call follows from its being the embedding of a question. */
export type EmbeddingCall = Pick<MeteredCall, "operation" | "path" | "callNumber" | "reserveTokens" | "envelope" | "rows" | "clock" | "onTurn" | "onSettled">;

/** The vector of one question, through the door. */
export function embedQuestion(
  door: Door,
  embedder: Embedder,
  context: TenantContext,
  deadline: Deadline,
  question: string,
  call: EmbeddingCall,
): Promise<Float32Array | Refusal> {
  const metered: MeteredCall = { ...call, kind: "EMBEDDING", model: embedder.model, workClass: "INTERACTIVE" };
  return door.run(context, deadline, metered, async (signal, report) => {
    // If the caller goes away now, the text has been sent all the same.
    report({ promptTokens: call.reserveTokens, completionTokens: 0 });
    try {
      const { vectors, tokens } = await embedder.embed([question], "QUESTION", signal);
      const [vector] = vectors;
      if (vector === undefined) throw internal("The embedding model returned no vector");
      return { value: vector, usage: { promptTokens: tokens, completionTokens: 0 } };
    } catch (error) {
      if (!signal.aborted) report({ promptTokens: 0, completionTokens: 0 });
      throw error;
    }
  });
}
