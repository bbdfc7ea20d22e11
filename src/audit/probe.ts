import type { TenantId, UserId } from "../kernel/ids.js";
import type { Canaries } from "./canaries.js";
import type { Evidence } from "./evidence.js";
import type { ProbeAnswer, ProbeCaller, ProbeExecutor } from "./probe-executor.js";
import { ProbeDocuments, type ProbeOperation } from "./schema/probe-documents.js";
import type { ObjectKind } from "./schema/probed-arguments.js";

/** What one probe tenant holds, and whose it is. */
export interface ProbeTenant {
  readonly caller: ProbeCaller;
  /** Before its first call of this run: the ledger keeps those of earlier ones. */
  readonly since: Date;
  readonly words: Readonly<Record<Word, string>>;
  /** The question that was asked under `words.key`, and the one whose answer is in the cache. */
  readonly questions: { readonly keyed: string; readonly cached: string };
  readonly ids: Readonly<Record<ObjectKind, readonly string[]>>;
}

/** A canary for each thing that is planted. */
export const words = ["title", "tag", "heading", "passage", "tail", "conversation", "question", "key", "correction", "adapter", "weights", "user"] as const;
export type Word = (typeof words)[number];

/** What every part of an audit works with. */
export class Probe {
  readonly documents: ProbeDocuments;

  constructor(
    readonly executor: ProbeExecutor,
    readonly canaries: Canaries,
    readonly evidence: Evidence,
    /** Stops the audit, the probe in flight included. */
    readonly signal: AbortSignal,
    /** Lets others go first: an audit is never in a hurry. */
    readonly inTurn: <T>(tenantId: TenantId, work: () => Promise<T>) => Promise<T>,
  ) {
    this.documents = new ProbeDocuments(executor.schema);
  }

  /** Runs an operation and looks for what is not the caller's. `surface` is told of a leak, not of a probe. */
  async run(caller: ProbeCaller, operation: ProbeOperation, surface: string, name: string): Promise<ProbeAnswer> {
    this.signal.throwIfAborted();
    const answer = await this.executor.run(caller, operation.document, operation.variables, this.signal);
    // What was cut short tells nothing.
    this.signal.throwIfAborted();
    this.look(answer.text, caller, operation.variables, surface, name);
    return answer;
  }

  async stream(caller: ProbeCaller, operation: ProbeOperation, eventsMax: number, msMax: number, surface: string, name: string): Promise<readonly ProbeAnswer[]> {
    this.signal.throwIfAborted();
    const answers = await this.executor.stream(caller, operation.document, operation.variables, eventsMax, msMax, this.signal);
    this.signal.throwIfAborted();
    for (const answer of answers) this.look(answer.text, caller, operation.variables, surface, name);
    return answers;
  }

  look(text: string, caller: ProbeCaller, sent: unknown, surface: string, name: string): void {
    const foreign = this.canaries.foreignIn(text, caller.tenantId, typeof sent === "string" ? sent : JSON.stringify(sent));
    for (const canary of foreign) this.evidence.leaked(surface, name, `${caller.tenantId} was answered with the ${canary.surface} of ${canary.tenantId ?? "a tenant of an earlier audit"}`);
  }
}

export function callerOf(tenantId: TenantId, user: string): ProbeCaller {
  return { tenantId, userId: user as UserId, roles: ["admin", "member"] };
}

