import type { Deadline } from "../kernel/deadline.js";
import type { StageClock } from "../kernel/stage-clock.js";
import type { Recalled } from "../memory/conversation-memory.js";
import type { MeteredCall } from "../metering/door.js";
import type { Envelope } from "../metering/envelope.js";
import type { PendingRows } from "../metering/pending-rows.js";
import type { TenantContext } from "../tenancy/tenant-context.js";
import type { AskPlan } from "./ask-plan.js";

const operation = "ask";

/** One question on its way. */
export interface Asking {
  readonly context: TenantContext;
  readonly deadline: Deadline;
  readonly path: string;
  readonly id: string;
  readonly plan: AskPlan;
  readonly history: Recalled;
  readonly questionTokens: number;
  /** Reserved for the answer at first. */
  readonly answerTokens: number;
  readonly envelope: Envelope;
  readonly rows: PendingRows;
  readonly stages: StageClock;
  readonly spent: { promptTokens: number; completionTokens: number; costMicroUsd: number };
}

type SharedCall = Pick<MeteredCall, "operation" | "path" | "callNumber" | "envelope" | "rows" | "clock" | "onSettled">;

/** What the embedding and the completion of one question have in common. */
export function callOf({ path, envelope, rows, stages, spent }: Asking): SharedCall {
  return {
    operation,
    path,
    callNumber: 0,
    envelope,
    rows,
    clock: stages,
    onSettled: (settled) => {
      spent.promptTokens += settled.promptTokens;
      spent.completionTokens += settled.completionTokens;
      spent.costMicroUsd += settled.costMicroUsd;
    },
  };
}
