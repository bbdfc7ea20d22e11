/** A world of tenants with an eraser, and what an auditor with a key to every database would find of one of them. */
import { Deadline } from "../../src/kernel/deadline.js";
import { serviceUnavailable } from "../../src/kernel/errors.js";
import { parseTenantId } from "../../src/kernel/ids.js";
import type { EraseTools } from "../../src/provisioning/erasing/erase-run.js";
import { TenantEraser } from "../../src/provisioning/erasing/tenant-eraser.js";
import { TenantErasure } from "../../src/provisioning/tenant-erasure.js";
import { openMemoryCounterStore } from "../../src/quotas/memory-counter-store.js";
import { TenantQuotas } from "../../src/quotas/tenant-quotas.js";
import type { ControlPlane } from "../../src/storage/control/control-plane.js";
import type { ErasureRow } from "../../src/storage/control/erasure-rows.js";
import type { TestDeployment } from "../support/engine.js";
import { testEmbedding } from "../support/homes.js";
import { policies, recordingTelemetry } from "../support/tenants.js";
import { World } from "../provisioning/world.js";

export class ErasingWorld {
  readonly telemetry = recordingTelemetry();
  readonly quotas = new TenantQuotas(openMemoryCounterStore(), this.telemetry);
  /** What a fine-tuning provider would do when a tenant's adapters are to go. */
  adapters: EraseTools["adapters"] = { release: () => Promise.resolve(0) };
  /** Databases whose cluster does not answer. */
  readonly down = new Set<string>();

  private constructor(readonly world: World, private readonly deployment: TestDeployment) {}

  static async start(deployment: TestDeployment, prefix?: string): Promise<ErasingWorld> {
    return new ErasingWorld(await World.start(deployment, prefix === undefined ? {} : { prefix }), deployment);
  }

  eraser(control: ControlPlane = this.world.control, moveEndMsMax = 10_000): TenantEraser {
    const { directory, homes, silos } = this.world;
    const reachable: typeof silos = {
      ...silos,
      destroy: (id, home) => (this.down.has(home.database) ? Promise.reject(serviceUnavailable("The cluster does not answer")) : silos.destroy(id, home)),
    };
    return new TenantEraser({ control, directory, homes, policies, silos: reachable, counters: this.quotas, adapters: this.adapters, embedding: testEmbedding, stoppedAfterMs: 10, moveEndMsMax, onMoveRequested: () => {} }, this.telemetry);
  }

  /** Asks for the erasure, and has it driven by a server that does nothing else. */
  async erase(id: string, eraser = this.eraser()): Promise<ErasureRow> {
    await this.begin(id);
    await eraser.drive();
    return this.receipt(id);
  }

  /** As an operator whose request ends at once. */
  async begin(id: string): Promise<ErasureRow> {
    const deadline = Deadline.after(1);
    try {
      return (await this.erasure().erase(id, deadline)).receipt;
    } finally {
      deadline.dispose();
    }
  }

  erasure(): TenantErasure {
    return new TenantErasure({ control: this.world.control, directory: this.world.directory, onErasureBegun: () => {} });
  }

  async receipt(id: string): Promise<ErasureRow> {
    const found = await this.erasure().find(id);
    if (found === undefined) throw new Error(`No erasure of ${id}`);
    return found;
  }

  /** Makes a dead server's lease look as old as it would be some seconds later. */
  async expireLeases(): Promise<void> {
    await this.#control().collection("erasures").updateMany({ lease_until: { $exists: true } }, { $set: { lease_until: new Date(0) } });
  }

  /** Every row of every database that names the tenant, read raw: by collection, how many. */
  async remains(id: string): Promise<Readonly<Record<string, number>>> {
    const found: Record<string, number> = {};
    const { databases } = await this.deployment.client.db("admin").admin().listDatabases({ nameOnly: true });
    for (const { name } of databases.filter(({ name }) => name.startsWith(`${this.world.prefix}_`))) {
      const db = this.deployment.client.db(name);
      for (const { name: collection } of await db.listCollections({}, { nameOnly: true }).toArray()) {
        const rows = await db.collection(collection).find({}).toArray();
        const naming = rows.filter((row) => JSON.stringify(row).includes(`"${id}`)).length;
        if (naming > 0) found[`${name.slice(this.world.prefix.length + 1)}.${collection}`] = naming;
      }
    }
    return found;
  }

  async stateOf(id: string): Promise<string | undefined> {
    return (await this.world.control.directory.find(parseTenantId(id)))?.state;
  }

  close(): Promise<void> {
    return this.world.close();
  }

  #control() {
    return this.deployment.client.db(`${this.world.prefix}_control`);
  }
}

/** What may name an erased tenant: its id in the directory, the receipt, and the fence that stays closed. */
export const nothingButTheId = { "control.tenants": 1, "control.erasures": 1, "pool.fences": 1 } as const;

/** A control plane whose server dies at its `at`-th step of an erasure; nothing it does after that has any effect. */
export function dyingEraser(control: ControlPlane, at: number, when: "BEFORE" | "AFTER"): { readonly control: ControlPlane; steps(): number } {
  let steps = 0;
  let dead = false;
  const died = serviceUnavailable("This server was killed");
  const { erasures } = control;
  return {
    steps: () => steps,
    control: {
      ...control,
      erasures: {
        begin: (id) => erasures.begin(id),
        find: (id) => erasures.find(id),
        lease: (owner, forMs) => erasures.lease(owner, forMs),
        release: (id, owner) => (dead ? Promise.reject(died) : erasures.release(id, owner)),
        record: async (id, owner, change, forMs) => {
          if (dead) throw died;
          if (Object.keys(change).length === 0) return erasures.record(id, owner, change, forMs);
          steps += 1;
          if (steps !== at) return erasures.record(id, owner, change, forMs);
          dead = true;
          if (when === "AFTER") await erasures.record(id, owner, change, forMs);
          throw died;
        },
      },
    },
  };
}
