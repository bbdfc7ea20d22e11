import { Deadline } from "../kernel/deadline.js";
import { serviceUnavailable } from "../kernel/errors.js";
import type { Telemetry } from "../kernel/telemetry.js";
import type { TenantContext } from "../tenancy/tenant-context.js";
import type { SummariseConversation, TalkTurn } from "./summarise-conversation.js";

/** A summary that takes longer is of use to nobody: the next answer begins another. */
const summaryMsMax = 60_000;
/** Conversations of this server at once. Past it none is begun; the next answer of the conversation tries again. */
const runningMaxDefault = 256;

interface Running {
  readonly deadline: Deadline;
  readonly ended: Promise<void>;
  /** An answer that came meanwhile: its turn may have pushed out another. */
  again: boolean;
}

/** The summaries under way on this server, one a conversation. They begin after an answer and nobody waits for them. */
export class ConversationSummaries {
  readonly #running = new Map<string, Running>();
  #isClosed = false;

  constructor(
    private readonly summarise: Pick<SummariseConversation, "run">,
    private readonly telemetry: Telemetry,
    private readonly runningMax = runningMaxDefault,
  ) {}

  /** Never throws, and returns at once. */
  begin(context: TenantContext, turn: TalkTurn): void {
    const key = `${context.tenantId} ${turn.conversationId}`;
    const known = this.#running.get(key);
    if (known !== undefined) {
      known.again = true;
      return;
    }
    if (this.#isClosed || this.#running.size >= this.runningMax) return this.#count("SKIPPED");
    const deadline = Deadline.after(summaryMsMax);
    const running: Running = {
      deadline,
      again: false,
      ended: this.#run(context, turn, deadline, () => running).finally(() => {
        deadline.dispose();
        this.#running.delete(key);
      }),
    };
    this.#running.set(key, running);
  }

  /** Resolves when none is under way. */
  async idle(): Promise<void> {
    while (this.#running.size > 0) await Promise.all([...this.#running.values()].map(({ ended }) => ended));
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    for (const { deadline } of this.#running.values()) deadline.abort(serviceUnavailable("The server is shutting down"));
    await this.idle();
  }

  /** Never rejects. */
  async #run(context: TenantContext, turn: TalkTurn, deadline: Deadline, running: () => Running): Promise<void> {
    try {
      for (let round = 0; ; round += 1) {
        // Not within the answer's own work, which is still on its way to the caller.
        await new Promise((resolve) => setImmediate(resolve));
        running().again = false;
        this.#count(await this.summarise.run(context, deadline, turn, round));
        if (!running().again) return;
      }
    } catch (error) {
      if (this.#isClosed) return this.#count("STOPPED");
      this.#count("FAILED");
      this.telemetry.log("warn", "A conversation could not be summarised", { tenantId: context.tenantId, conversationId: turn.conversationId, error: String(error) });
    }
  }

  #count(outcome: string): void {
    this.telemetry.count("conversation_summaries_total", { outcome });
  }
}
