/**
 * The one door for spending. Before it come the use cases of `orchestrator/`; behind it the models.
 * Every call goes reserve, turn, work, settle, ledger row, in that order, and none gets past it:
 * what is refused costs nothing, and what is aborted settles what was used.
 */
import type { Deadline } from "../kernel/deadline.js";
import type { Refusal } from "../kernel/refusal.js";
import type { StageClock } from "../kernel/stage-clock.js";
import type { UsageKind } from "../storage/control/control-plane.js";
import type { TenantContext } from "../tenancy/tenant-context.js";
import type { Envelope } from "./envelope.js";
import type { WorkClass } from "./fair-queue.js";
import type { PendingRows } from "./pending-rows.js";

export interface MeteredCall {
  readonly kind: UsageKind;
  readonly operation: string;
  readonly model: string;
  /** The GraphQL response path of the field that spends; a job names itself. */
  readonly path: string;
  /** Distinguishes several calls of one kind and path, from 0. */
  readonly callNumber: number;
  /** Upper bound of the call's tokens, at least 1. */
  readonly reserveTokens: number;
  readonly workClass: WorkClass;
  /** A reservation made before for several calls: this call draws on it instead of making its own. */
  readonly envelope?: Envelope;
  /** Given: the ledger row is written beside the work that follows, and whoever owns this waits for it before answering. */
  readonly rows?: PendingRows;
  /** Told once the call has its turn. */
  readonly onTurn?: () => void;
  /** Of whoever waits for the call: its wait for a turn is a stage of its own there. */
  readonly clock?: StageClock;
  /** Told once, whatever the outcome, what the ledger's row says. */
  readonly onSettled?: (settled: CallUsage & { readonly costMicroUsd: number }) => void;
}

export interface CallUsage {
  readonly promptTokens: number;
  readonly completionTokens: number;
  /** The part of `promptTokens` that the provider had cached. */
  readonly cachedPromptTokens?: number;
  /** The part of `completionTokens` that the model thought and did not say. */
  readonly reasoningTokens?: number;
}

/** The most that one call of an envelope can use, for its price. */
export interface BoundedCall {
  readonly kind: UsageKind;
  readonly model: string;
  readonly promptTokens: number;
  readonly completionTokens: number;
}

/** Tells the door what has been used so far; the last word counts if the work fails or is aborted. */
export type ReportUsage = (usage: CallUsage) => void;

export interface Door {
  /**
   * Reserves once for the calls of one question, or refuses it for want of tokens, of money or of a
   * place in line that comes before the deadline. Settle the envelope exactly once, in a `finally`. Throws `SERVICE_UNAVAILABLE`.
   */
  open(context: TenantContext, deadline: Deadline, tokens: number, calls: readonly BoundedCall[]): Promise<Envelope | Refusal>;
  /** Holds more for a call of the envelope that goes on; false when a limit or a budget does not allow it. Throws `SERVICE_UNAVAILABLE`. */
  extend(envelope: Envelope, more: BoundedCall): Promise<boolean>;
  /** Rejects with what the work threw, or with the deadline's reason, also when the work ignores its signal. */
  run<T>(
    context: TenantContext,
    deadline: Deadline,
    call: MeteredCall,
    work: (signal: AbortSignal, report: ReportUsage) => Promise<{ value: T; usage: CallUsage }>,
  ): Promise<T | Refusal>;
  /**
   * The streaming twin. The stream settles when it ends, fails, is returned, or its deadline passes,
   * iterated or not. The work must have reported its usage before it ends.
   */
  stream<T>(
    context: TenantContext,
    deadline: Deadline,
    call: MeteredCall,
    work: (signal: AbortSignal, report: ReportUsage) => AsyncIterable<T>,
  ): Promise<AsyncIterableIterator<T> | Refusal>;
}
