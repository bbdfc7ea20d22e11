/**
 * A tenant's own models: asked for by an admin, trained in the background. What is unfinished is in the
 * tenant's store alone: this process may die at any moment, and `resume` takes everything up again.
 */
import { setMaxListeners } from "node:events";
import { FineTuningRefused, type FineTuningClient } from "../../inference/fine-tuning-client.js";
import type { InferencePool } from "../../inference/inference-pool.js";
import type { TokenCounter } from "../../inference/token-counter.js";
import { Deadline } from "../../kernel/deadline.js";
import { BulkheadError, badUserInput, conflict, internal, serviceUnavailable } from "../../kernel/errors.js";
import { describe, newId, type AdapterId } from "../../kernel/ids.js";
import type { Telemetry } from "../../kernel/telemetry.js";
import { untilAborted } from "../../metering/until-aborted.js";
import type { TenantRouter } from "../../routing/tenant-router.js";
import type { AdapterRow } from "../../storage/adapter-rows.js";
import type { TenantStore } from "../../storage/tenant-store.js";
import { checkTrainingsAtOnce } from "../../storage/training-caps.js";
import { openJobContext, type TenantContext } from "../../tenancy/tenant-context.js";
import type { TenantDirectory } from "../../tenancy/tenant-directory.js";
import type { TierPolicies } from "../../tenancy/tier-policy.js";
import { FairTurns } from "../fair-turns.js";
import { AdapterJob, removeAtProvider, type StepOutcome } from "./adapter-job.js";
import { trainingRequestId, type TrainingBills } from "./training-bills.js";
import { assertEnough } from "./training-set.js";

export interface AdapterTrainingParts {
  readonly router: Pick<TenantRouter, "read" | "write">;
  readonly directory: TenantDirectory;
  readonly policies: TierPolicies;
  readonly pool: Pick<InferencePool, "choose" | "nameAtTrainer">;
  /** Left out: this deployment trains nothing. */
  readonly client?: FineTuningClient;
  readonly telemetry: Telemetry;
  readonly counter: Pick<TokenCounter, "count">;
  readonly bills: TrainingBills;
  /** Names this server across its starts. */
  readonly owner: string;
  /** The first pause between two looks at a job. */
  readonly pollMsMin?: number;
  /** At most for one step; the lease is made for the default. */
  readonly stepMsMax?: number;
}

const nameCharsMax = 100;
/** Training takes minutes to hours; a failure of the network a few seconds. */
const pollMsMinDefault = 2_000;
const pollMsMax = 60_000;
/** One step: reading the examples, sending the file, writing it down. */
const stepMsMaxDefault = 120_000;
/** The longest pause and the longest step: while its owner lives it does not run out. */
const leaseMs = pollMsMax + stepMsMaxDefault + 30_000;
/** Steps at one time over all tenants, by turns: each may hold a training file in memory. */
const stepsAtOnceMax = 2;

interface Running {
  wake: () => void;
  done: Promise<void>;
}

export class AdapterTraining {
  readonly #running = new Map<string, Running>();
  readonly #turns = new FairTurns(stepsAtOnceMax);
  readonly #stop = new AbortController();

  constructor(private readonly parts: AdapterTrainingParts) {
    // Every adapter under way listens to it.
    setMaxListeners(0, this.#stop.signal);
  }

  /** See `AdapterTraining` of `graphql/services.ts` for what it throws. */
  async train(context: TenantContext, deadline: Deadline, input: { readonly name: string; readonly baseModel: string }): Promise<AdapterRow> {
    const { client, pool, router, telemetry } = this.parts;
    const name = parseAdapterName(input.name);
    const { model: baseModel } = pool.choose(context.policy, input.baseModel);
    if (client === undefined) throw conflict("This deployment trains no adapters: FINE_TUNING_BASE_URL is not set");
    if (pool.nameAtTrainer(baseModel) === undefined) throw badUserInput("baseModel", describe(baseModel), "a model that an endpoint at FINE_TUNING_BASE_URL serves");
    // Before the examples are read: they are many, and asking again while one is trained is free. What is added counts once more.
    await router.read(context, deadline, async (store) => {
      checkTrainingsAtOnce(await store.adapters.countTraining(), context.policy);
      await assertEnough(context, store, telemetry);
    });
    const row = await router.write(context, deadline, (store) => store.adapters.add({ id: newId<AdapterId>("adapter"), name, baseModel }, context.policy));
    this.#begin(context, row.id);
    return row;
  }

  async remove(context: TenantContext, deadline: Deadline, id: AdapterId): Promise<void> {
    const left = await this.parts.router.write(context, deadline, (store) => store.adapters.remove(id));
    if (left !== undefined) this.#begin(context, id);
  }

  /** Takes up what an earlier process left unfinished for this tenant. */
  async resume(context: TenantContext): Promise<void> {
    const deadline = Deadline.after(stepMsMaxDefault);
    try {
      const ids = await this.parts.router.read(context, deadline, (store) => store.adapters.unfinished());
      for (const id of ids) this.#begin(context, id);
    } finally {
      deadline.dispose();
    }
  }

  /** For an erasure, before the rows go: removes what the provider holds for the tenant. Gives how many adapters; throws `SERVICE_UNAVAILABLE`. */
  async release(context: TenantContext, store: TenantStore, signal: AbortSignal): Promise<number> {
    const works = await store.adapters.atProvider();
    const { client } = this.parts;
    if (works.length > 0 && client === undefined) throw serviceUnavailable("The provider holds adapters of the tenant, and FINE_TUNING_BASE_URL is not set");
    for (const work of works) {
      try {
        if (client !== undefined) await removeAtProvider(client, this.parts.bills, context, work, signal);
      } catch (error) {
        signal.throwIfAborted();
        throw serviceUnavailable("The fine-tuning endpoint holds adapters of the tenant and does not let them be removed", undefined, error);
      }
    }
    return works.length;
  }

  /** Resolves when nothing is under way. */
  async idle(): Promise<void> {
    while (this.#running.size > 0) await Promise.all([...this.#running.values()].map(({ done }) => done));
  }

  /** Stops what is under way; the next process takes it up. */
  async close(): Promise<void> {
    this.#stop.abort(serviceUnavailable("The server is shutting down"));
    await this.idle();
  }

  /** Works on an adapter until nothing is left to do. One that is under way already looks again at once. */
  #begin(context: TenantContext, id: AdapterId): void {
    const known = this.#running.get(id);
    if (known !== undefined) return known.wake();
    if (this.#stop.signal.aborted) return;
    const running: Running = { wake: () => undefined, done: Promise.resolve() };
    this.#running.set(id, running);
    running.done = this.#work(context, id, running).finally(() => {
      this.#running.delete(id);
      // Done, or another process's from here on: what was settled is not held any more.
      this.parts.bills.release(id);
    });
  }

  /** Never rejects. */
  async #work(context: TenantContext, id: AdapterId, running: Running): Promise<void> {
    const pollMsMin = this.parts.pollMsMin ?? pollMsMinDefault;
    for (let pauseMs = pollMsMin; !this.#stop.signal.aborted; pauseMs = Math.min(pollMsMax, pauseMs * 2)) {
      const woken = new AbortController();
      running.wake = () => woken.abort();
      try {
        const outcome = await this.#step(context, id);
        if (outcome === "DONE" && !woken.signal.aborted) return;
        if (outcome !== "WAIT") pauseMs = pollMsMin / 2;
        if (outcome === "AGAIN") continue;
      } catch (error) {
        if (this.#stop.signal.aborted) return;
        this.parts.telemetry.log("warn", "An adapter's work stopped and is taken up later", { tenantId: context.tenantId, adapterId: id, error: String(error) });
        // A suspended tenant's wait for `resume`, an erased one's for nothing.
        if (isNotServed(error)) return;
      }
      await pause(pauseMs, AbortSignal.any([woken.signal, this.#stop.signal]));
    }
  }

  #step(context: TenantContext, id: AdapterId): Promise<StepOutcome> {
    return this.#turns.run(context.tenantId, this.#stop.signal, () => this.#stepInTime(context, id));
  }

  async #stepInTime(context: TenantContext, id: AdapterId): Promise<StepOutcome> {
    const deadline = Deadline.after(this.parts.stepMsMax ?? stepMsMaxDefault);
    const stop = (): void => deadline.abort(serviceUnavailable("The server is shutting down"));
    this.#stop.signal.addEventListener("abort", stop, { once: true });
    try {
      // Raced: a step that does not listen would hold one of the few places of all tenants, and the end of this server.
      return await untilAborted(this.#stepWithin(await this.#jobContext(context, id), deadline, id), deadline.signal);
    } finally {
      this.#stop.signal.removeEventListener("abort", stop);
      deadline.dispose();
    }
  }

  async #stepWithin(context: TenantContext, deadline: Deadline, id: AdapterId): Promise<StepOutcome> {
    const { router, client, pool, telemetry, counter, bills, owner } = this.parts;
    const claim = await router.write(context, deadline, (store) => store.adapters.claim(id, owner, leaseMs));
    if (claim.kind !== "CLAIMED") {
      // Another server follows it, and holds what it may cost.
      bills.release(id);
      return claim.kind === "DONE" ? "DONE" : "WAIT";
    }
    if (claim.work.origin === "FILE") {
      // Its sender is gone: the lease was theirs.
      await router.write(context, deadline, (store) => store.adapters.weights.giveUp(id, owner));
      return "DONE";
    }
    // The work waits for a start with the address: nothing of it can be done, or undone, without.
    if (client === undefined) return "DONE";
    const job = new AdapterJob({ router, client, nameAtTrainer: (model) => pool.nameAtTrainer(model), telemetry, counter, bills, owner }, context, deadline, claim.work);
    try {
      return await job.step();
    } catch (error) {
      if (claim.work.state === "REMOVING" || !isFinal(error)) throw error;
      telemetry.log("warn", "An adapter could not be made", { tenantId: context.tenantId, adapterId: id, error: String(error) });
      await job.fail({ code: error.code, message: error.message });
      return "DONE";
    }
  }

  /** As for a document's processing: never under the context of the request that caused it, and anew for each step. */
  async #jobContext(context: TenantContext, id: AdapterId): Promise<TenantContext> {
    const record = await this.parts.directory.find(context.tenantId);
    if (record === undefined || record.id !== context.tenantId) throw internal("The tenant of an adapter is not in the directory");
    return openJobContext(record, this.parts.policies, trainingRequestId(id));
  }
}

/** Throws `BAD_USER_INPUT`. */
export function parseAdapterName(text: string): string {
  const name = text.trim();
  if (name.length === 0 || name.length > nameCharsMax) throw badUserInput("name", `${name.length} characters`, `1 to ${nameCharsMax}`);
  return name;
}

/** What comes out the same way again. A provider that cannot be reached, or is busy, is asked for as long as the adapter is wanted. */
function isFinal(error: unknown): error is BulkheadError {
  if (!(error instanceof BulkheadError)) return false;
  return error instanceof FineTuningRefused || error.code === "LIMIT_EXCEEDED" || error.code === "BUDGET_EXCEEDED" || error.code === "CONFLICT" || (error.code === "UPSTREAM_FAILED" && error.details.retryable !== true);
}

function isNotServed(error: unknown): boolean {
  return error instanceof BulkheadError && (error.code === "TENANT_SUSPENDED" || error.code === "UNAUTHENTICATED");
}

/** Ends early when the signal fires. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, signal.aborted ? 0 : ms).unref();
    signal.addEventListener("abort", end, { once: true });
  });
}
