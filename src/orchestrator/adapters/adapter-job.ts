/**
 * One step of an adapter's work. Every state can be entered again after a crash: what was made at the
 * provider and not written down is found by the training file's name, which follows from the manifest,
 * and the job by its file. What was made for an adapter that is deleted by now is undone at once.
 */
import type { Deadline } from "../../kernel/deadline.js";
import { BulkheadError, internal, upstreamFailed } from "../../kernel/errors.js";
import type { Telemetry } from "../../kernel/telemetry.js";
import { FineTuningRefused, type FineTuningClient, type TrainingState } from "../../inference/fine-tuning-client.js";
import type { TokenCounter } from "../../inference/token-counter.js";
import type { TenantRouter } from "../../routing/tenant-router.js";
import type { AdapterProgress, AdapterStore, AdapterWork } from "../../storage/adapter-rows.js";
import type { TenantContext } from "../../tenancy/tenant-context.js";
import type { TrainingBills } from "./training-bills.js";
import { boundTokens, checkEnough, epochs, examplesMin, readTrainingSet, trainingFileName } from "./training-set.js";

export interface AdapterJobTools {
  readonly router: Pick<TenantRouter, "read" | "write">;
  readonly client: FineTuningClient;
  /** The base model's name where it is trained; undefined when no server of it trains. */
  readonly nameAtTrainer: (model: string) => string | undefined;
  readonly telemetry: Telemetry;
  readonly counter: Pick<TokenCounter, "count">;
  readonly bills: TrainingBills;
  /** Names this server across its starts: what it owned before a crash it takes up at once. */
  readonly owner: string;
}

/** `AGAIN`: the next state is there. `WAIT`: the provider works. */
export type StepOutcome = "AGAIN" | "WAIT" | "DONE";

export class AdapterJob {
  /** The file that was found at the provider and is not written down. */
  #known: string | undefined;

  constructor(private readonly tools: AdapterJobTools, private readonly context: TenantContext, private readonly deadline: Deadline, private readonly work: AdapterWork) {}

  async step(): Promise<StepOutcome> {
    switch (this.work.state) {
      case "PREPARING":
        return this.#prepare();
      case "UPLOADING":
        return this.#upload();
      case "TRAINING":
        return this.#follow();
      case "REMOVING":
        return this.#remove();
      case "IMPORTED":
      case "READY":
      case "FAILED":
        return "DONE";
    }
  }

  /** Ends the work. Nothing of the tenant's is left with a provider that did not train on it. */
  async fail(failure: { readonly code: string; readonly message: string }): Promise<void> {
    await this.#withdraw(this.work.trainingFile ?? this.#known);
    await this.#progress({ state: "FAILED", failure, trainingFile: null });
    this.tools.bills.release(this.work.id);
  }

  async #prepare(): Promise<StepOutcome> {
    const { manifest, jsonLines } = await this.#examples();
    checkEnough(manifest.length);
    return this.#setManifest(manifest, await boundTokens(jsonLines, this.tools.counter));
  }

  async #upload(): Promise<StepOutcome> {
    const { client } = this.tools;
    const { manifest = [] } = this.work;
    const name = trainingFileName(this.context, this.work.id, manifest);
    const known = (this.#known = this.work.trainingFile ?? (await client.findFile(name, this.work.createdAt, this.#signal)));
    // A server that died between starting a job and writing it down must not start a second: both would be paid for.
    const job = known === undefined ? undefined : await client.findJob(known, this.work.createdAt, this.#signal);
    // Before there is a job, and before there is a file that nobody would withdraw.
    if (job === undefined) await this.tools.bills.hold(this.context, this.work);
    if (known !== undefined) return this.#train(known, job);
    const examples = await this.#examples();
    // A conversation may have been cleared since: what the manifest names is what is sent, or there is a new manifest.
    if (examples.manifest.length < examplesMin || trainingFileName(this.context, this.work.id, examples.manifest) !== name) return this.#prepare();
    return this.#train(await client.uploadFile(name, examples.jsonLines, this.#signal), undefined);
  }

  async #train(file: string, started: string | undefined): Promise<StepOutcome> {
    const { client, bills } = this.tools;
    if (!(await this.#keep({ trainingFile: file }, () => client.deleteFile(file, this.#signal)))) return "DONE";
    const job = started ?? (await this.#start(file));
    const undo = async (): Promise<void> => {
      const isOver = await endJob(client, bills, this.context, this.work, job, this.#signal);
      // The job is found without it: the file's id was written down before the job began.
      await client.deleteFile(file, this.#signal);
      if (!isOver) throw stillRunning();
    };
    return (await this.#keep({ trainingJob: job, state: "TRAINING" }, undo)) ? "AGAIN" : "DONE";
  }

  async #start(file: string): Promise<string> {
    const model = this.tools.nameAtTrainer(this.work.baseModel);
    if (model === undefined) throw new BulkheadError("CONFLICT", "The base model is not served any more by the endpoint that trains");
    return this.tools.client.startJob(model, file, epochs, this.#signal);
  }

  async #follow(): Promise<StepOutcome> {
    const { client } = this.tools;
    const { trainingJob } = this.work;
    if (trainingJob === undefined) throw internal("An adapter is being trained by no job");
    const state = await client.jobState(trainingJob, this.#signal);
    if (state.kind === "RUNNING") {
      await this.tools.bills.keepHold(this.context, this.work);
      return "WAIT";
    }
    // Before the state is written: a server that dies in between does it again, and the ledger takes it once.
    await this.tools.bills.settleEnded(this.context, this.work, state);
    if (state.kind === "FAILED") throw new BulkheadError("UPSTREAM_FAILED", "The provider could not train the adapter");
    await this.#withdraw(this.work.trainingFile);
    await this.#keep({ state: "READY", upstreamModel: state.model, trainingFile: null }, () => client.deleteModel(state.model, this.#signal));
    return "DONE";
  }

  async #remove(): Promise<StepOutcome> {
    await removeAtProvider(this.tools.client, this.tools.bills, this.context, this.work, this.#signal);
    this.tools.bills.release(this.work.id);
    await this.#write((adapters) => adapters.forget(this.work.id));
    return "DONE";
  }

  #examples(): ReturnType<typeof readTrainingSet> {
    return this.tools.router.read(this.context, this.deadline, (store) => readTrainingSet(this.context, store, this.tools.telemetry));
  }

  async #setManifest(manifest: readonly string[], tokensMax: number): Promise<StepOutcome> {
    // Held for the set before, if it was: another set costs another sum.
    this.tools.bills.release(this.work.id);
    return (await this.#write((adapters) => adapters.setManifest(this.work.id, this.tools.owner, manifest, tokensMax))) ? "AGAIN" : "DONE";
  }

  /** Writes down what was made at the provider. If that is nobody's any more, it is undone there, and this is false. */
  async #keep(progress: AdapterProgress, undo: () => Promise<void>): Promise<boolean> {
    const kept = await this.#progress(progress).catch((error: unknown) => {
      // Of a tenant that is being erased; after any other failure it is found again and kept.
      if (error instanceof BulkheadError && error.code === "UNAUTHENTICATED") return false;
      throw error;
    });
    if (!kept) await undo();
    return kept;
  }

  #progress(progress: AdapterProgress): Promise<boolean> {
    return this.#write((adapters) => adapters.progress(this.work.id, this.tools.owner, progress));
  }

  async #withdraw(file: string | undefined): Promise<void> {
    if (file !== undefined) await this.tools.client.deleteFile(file, this.#signal);
  }

  #write<Value>(work: (adapters: AdapterStore) => Promise<Value>): Promise<Value> {
    return this.tools.router.write(this.context, this.deadline, (store) => work(store.adapters));
  }

  get #signal(): AbortSignal {
    return this.deadline.signal;
  }
}

/**
 * Cancels the job, deletes the file and the model, whatever of them was written down and whatever was
 * not. Throws a retryable `UPSTREAM_FAILED` while a job goes on in spite of that: it may still be
 * billed and leave a model, and its file is what it is found by until then.
 */
export async function removeAtProvider(client: FineTuningClient, bills: Pick<TrainingBills, "settleEnded">, context: TenantContext, work: AdapterWork, signal: AbortSignal): Promise<void> {
  if (work.tenantId !== context.tenantId) throw internal("An adapter of another tenant was to be removed");
  const named = work.manifest === undefined ? undefined : await client.findFile(trainingFileName(context, work.id, work.manifest), work.createdAt, signal);
  const files = [...new Set([work.trainingFile, named])].filter((file) => file !== undefined);
  const found = await Promise.all(files.map((file) => client.findJob(file, work.createdAt, signal)));
  let areOver = true;
  for (const job of new Set([work.trainingJob, ...found])) {
    if (job !== undefined && !(await endJob(client, bills, context, work, job, signal))) areOver = false;
  }
  if (!areOver) throw stillRunning();
  if (work.upstreamModel !== undefined) await client.deleteModel(work.upstreamModel, signal);
  for (const file of files) await client.deleteFile(file, signal);
}

/** Cancels a job; what was trained until then is billed as well. False while the provider still runs it: many cancel some time after they were told to, or not at all. */
async function endJob(client: FineTuningClient, bills: Pick<TrainingBills, "settleEnded">, context: TenantContext, work: AdapterWork, job: string, signal: AbortSignal): Promise<boolean> {
  const look = (): Promise<TrainingState | undefined> => client.jobState(job, signal).catch(unlessGone);
  let state = await look();
  if (state?.kind === "RUNNING") {
    await client.cancelJob(job, signal);
    // It may have ended a moment before, and then there is a model that nobody has noted.
    state = await look();
  }
  if (state?.kind === "RUNNING") return false;
  // One that had its model has been settled long ago.
  if (state !== undefined && work.upstreamModel === undefined) await bills.settleEnded(context, work, state);
  if (state?.kind === "SUCCEEDED") await client.deleteModel(state.model, signal);
  return true;
}

function stillRunning(): BulkheadError {
  return upstreamFailed("The fine-tuning endpoint has not ended a training that was called off");
}

function unlessGone(error: unknown): undefined {
  if (error instanceof FineTuningRefused && error.status === 404) return undefined;
  throw error;
}
