/** Tenants with feedback, and servers that train their adapters at a stub over a socket. */
import { FineTuningClient } from "../../../src/inference/fine-tuning-client.js";
import { openInferencePool } from "../../../src/inference/open-inference-pool.js";
import { setTimeout as sleep } from "node:timers/promises";
import { Deadline } from "../../../src/kernel/deadline.js";
import { internal } from "../../../src/kernel/errors.js";
import { AdapterFiles } from "../../../src/orchestrator/adapters/adapter-files.js";
import { AdapterTraining } from "../../../src/orchestrator/adapters/adapter-training.js";
import { TrainingBills } from "../../../src/orchestrator/adapters/training-bills.js";
import { noBudgets } from "../../../src/quotas/budgets.js";
import type { AdapterRow, AdapterState } from "../../../src/storage/adapter-rows.js";
import type { TenantStore } from "../../../src/storage/tenant-store.js";
import type { TenantContext } from "../../../src/tenancy/tenant-context.js";
import type { World } from "../../provisioning/world.js";
import { MemoryLedger, recorderOf } from "../../metering/spend-fixtures.js";
import { teach } from "../../support/adapters.js";
import { policies, recordingTelemetry } from "../../support/tenants.js";
import type { StubFineTuningServer } from "../../support/stub-fine-tuning-server.js";

const counter = { count: (text: string) => text.length, load: () => Promise.resolve() };

export interface ServerOptions {
  readonly owner?: string;
  readonly trains?: boolean;
  readonly modelUrl?: string;
  readonly stepMsMax?: number;
  readonly client?: FineTuningClient;
  readonly bills?: TrainingBills;
}

export class TrainingWorld {
  readonly telemetry = recordingTelemetry();
  /** What all tenants' trainings cost, on every server that is given no other. */
  readonly ledger = new MemoryLedger();
  readonly #servers: AdapterTraining[] = [];

  constructor(readonly world: World, readonly stub: StubFineTuningServer) {}

  server({ owner = "server-1", trains = true, modelUrl = this.stub.baseUrl, stepMsMax, client = new FineTuningClient({ baseUrl: this.stub.baseUrl }), bills = new TrainingBills(noBudgets, recorderOf(this.ledger, this.telemetry)) }: ServerOptions = {}): AdapterTraining {
    const { router, directory } = this.world;
    const pool = openInferencePool({ file: { models: [{ name: "embedded-extractive", kind: "EMBEDDED", contextTokens: 8_000 }] }, model: { name: "base", baseUrl: modelUrl }, keys: {}, trainerUrl: this.stub.baseUrl }, counter as never, this.telemetry);
    const training = new AdapterTraining({ router, directory, policies, pool, telemetry: this.telemetry, counter, bills, owner, pollMsMin: 2, ...(stepMsMax === undefined ? {} : { stepMsMax }), ...(trains ? { client } : {}) });
    this.#servers.push(training);
    return training;
  }

  async close(): Promise<void> {
    for (const server of this.#servers) await server.close();
  }

  /** A tenant whose every example names it. */
  async taught(id: string, examples = 12): Promise<TenantContext> {
    await this.world.administration.create({ id, name: id, tier: "PRO" });
    const context = await this.world.context(id);
    await this.write(context, (store) => teach(store, context.userId, Array.from({ length: examples }, (_, n) => ({ question: `${id} question ${n}`, answer: `${id} answer ${n}` }))));
    return context;
  }

  train(server: AdapterTraining, context: TenantContext, baseModel = "base"): Promise<AdapterRow> {
    return within((deadline) => server.train(context, deadline, { name: "ours", baseModel }));
  }

  import(context: TenantContext, file: Buffer): Promise<AdapterRow> {
    return within((deadline) => new AdapterFiles(this.world.router).import(context, deadline, { name: "imported", baseModel: "base", file }));
  }

  remove(server: AdapterTraining, context: TenantContext, id: AdapterRow["id"]): Promise<void> {
    return within((deadline) => server.remove(context, deadline, id));
  }

  read<T>(context: TenantContext, work: (store: TenantStore) => Promise<T>): Promise<T> {
    return within((deadline) => this.world.router.read(context, deadline, work));
  }

  write<T>(context: TenantContext, work: (store: TenantStore) => Promise<T>): Promise<T> {
    return within((deadline) => this.world.router.write(context, deadline, work));
  }

  /** The row once it is in that state. */
  reached(context: TenantContext, id: AdapterRow["id"], state: AdapterState): Promise<AdapterRow> {
    return until(async () => {
      const row = await this.read(context, (store) => store.adapters.get(id));
      return row?.state === state ? row : undefined;
    });
  }
}

async function within<T>(work: (deadline: Deadline) => Promise<T>): Promise<T> {
  const deadline = Deadline.after(20_000);
  try {
    return await work(deadline);
  } finally {
    deadline.dispose();
  }
}

/** Fails after 20 s. */
export async function until<T>(look: () => Promise<T | undefined>): Promise<T> {
  const endsAt = performance.now() + 20_000;
  for (;;) {
    const value = await look();
    if (value !== undefined) return value;
    if (performance.now() > endsAt) throw internal("What was waited for did not happen within 20 s");
    await sleep(10);
  }
}
