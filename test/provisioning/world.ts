/** Control plane, homes, router, administration and mover over one test deployment, as one server has them. */
import { Deadline } from "../../src/kernel/deadline.js";
import { conflict } from "../../src/kernel/errors.js";
import { LeasedCache } from "../../src/kernel/leased-cache.js";
import { newId, parseTenantId, type DocumentId, type RequestId } from "../../src/kernel/ids.js";
import { silentTelemetry, type Telemetry } from "../../src/kernel/telemetry.js";
import type { MoveTools } from "../../src/provisioning/move-run.js";
import { PlacementMover } from "../../src/provisioning/placement-mover.js";
import { TenantAdministration } from "../../src/provisioning/tenant-administration.js";
import { homeOfKey } from "../../src/routing/home-key.js";
import { TenantRouter } from "../../src/routing/tenant-router.js";
import type { ControlPlane, PlacementMoveRow } from "../../src/storage/control/control-plane.js";
import { openControlPlane } from "../../src/storage/control/open-control-plane.js";
import { declareCollections } from "../../src/storage/declare-collections.js";
import { openHome, type HomeOptions, type TenantHome } from "../../src/storage/home.js";
import type { DocumentRow } from "../../src/storage/tenant-store.js";
import { openJobContext, type TenantContext } from "../../src/tenancy/tenant-context.js";
import type { HomeKind } from "../../src/tenancy/tier-policy.js";
import { CachedTenantDirectory } from "../../src/tenancy/tenant-directory.js";
import type { TestDeployment } from "../support/engine.js";
import { newChunk, newDocument, testEmbedding, untilSearchable } from "../support/homes.js";
import { expectNotDestroyed, testSilos, undoIfDestroyed } from "../support/silos.js";
import { policies } from "../support/tenants.js";

const testWrapping = { current: Buffer.alloc(32, 7) };

export class World {
  readonly directory: CachedTenantDirectory;
  readonly homes: LeasedCache<TenantHome>;
  readonly router: TenantRouter;
  readonly administration: TenantAdministration;
  readonly silos: ReturnType<typeof testSilos>;
  readonly opened: string[] = [];

  private constructor(
    readonly deployment: TestDeployment,
    readonly control: ControlPlane,
    readonly prefix: string,
    readonly serverId: string,
    private readonly telemetry: Telemetry,
    private readonly unreachable: ReadonlySet<string>,
  ) {
    this.directory = new CachedTenantDirectory(control.directory);
    this.homes = new LeasedCache<TenantHome>(50, (key) => this.#open(key), (home) => home.close(), () => {});
    this.silos = testSilos(deployment, prefix, (database) => this.#options(database, "SILO"));
    this.router = new TenantRouter(this.directory, this.homes);
    this.administration = new TenantAdministration({ control, directory: this.directory, homes: this.homes, silos: this.silos, policies, onMoveBegun: () => {}, onReactivated: () => {} });
  }

  /** A server; several of one deployment and prefix share everything that is stored. `unreachable` names homes that cannot be opened. */
  static async start(deployment: TestDeployment, options: { prefix?: string; serverId?: string; telemetry?: Telemetry; unreachable?: ReadonlySet<string> } = {}): Promise<World> {
    const prefix = options.prefix ?? deployment.database("w").replaceAll("_", "-");
    const db = deployment.client.db(`${prefix}_control`);
    await declareCollections(db, "CONTROL", "POOL", testEmbedding);
    return new World(deployment, openControlPlane(deployment.client, db, testWrapping), prefix, options.serverId ?? "server-1", options.telemetry ?? silentTelemetry, options.unreachable ?? new Set());
  }

  /** Shares the directory's cache with the router, as on one server, so that an old home need not be kept for readers of other servers. */
  mover(control: ControlPlane = this.control, options: Partial<Pick<MoveTools, "announceMs" | "observeMs" | "retireAfterMs" | "at" | "turns">> = {}): PlacementMover {
    return new PlacementMover({ control, directory: this.directory, homes: this.homes, silos: this.silos, policies, announceMs: 0, observeMs: 0, retireAfterMs: 20, ...options }, this.telemetry);
  }

  async context(id: string): Promise<TenantContext> {
    const record = await this.control.directory.find(parseTenantId(id));
    if (record === undefined) throw new Error(`No tenant ${id}`);
    return openJobContext(record, policies, newId<RequestId>("request"));
  }

  /** Writes one searchable document through the router, as a request does. */
  async write(id: string, title: string, deadlineMs = 10_000): Promise<DocumentId> {
    const documentId = newId<DocumentId>("document");
    const context = await this.context(id);
    const deadline = Deadline.after(deadlineMs);
    try {
      await this.router.write(context, deadline, (store) => store.documents.add(newDocument({ id: documentId, title }), policies.PRO));
      const row = await this.router.write(context, deadline, (store) => store.documents.publish(documentId, [newChunk(0, [1, 0, 0, 0], { text: `About ${title}` })], testEmbedding, policies.PRO));
      await this.router.read(context, deadline, (store) => untilSearchable(store, documentId, row.version));
      await this.router.write(context, deadline, (store) => store.documents.markReady(documentId, row.version));
      return documentId;
    } finally {
      deadline.dispose();
    }
  }

  async titles(id: string): Promise<readonly string[]> {
    return (await this.documents(id)).map(({ title }) => title).toSorted();
  }

  async documents(id: string): Promise<readonly DocumentRow[]> {
    const deadline = Deadline.after(10_000);
    const context = await this.context(id);
    const documents: DocumentRow[] = [];
    try {
      for (let after: string | undefined; ; ) {
        const request = { first: 100, ...(after === undefined ? {} : { after }) };
        const page = await this.router.read(context, deadline, (store) => store.documents.page(request, {}));
        documents.push(...page.items.map(({ item }) => item));
        after = page.items.at(-1)?.cursor;
        if (!page.hasNextPage) return documents;
      }
    } finally {
      deadline.dispose();
    }
  }

  /** Whether every stripe of the tenant's fence in the pool is closed. */
  async isClosed(id: string): Promise<boolean> {
    return (await this.deployment.client.db(`${this.prefix}_pool`).collection("fences").countDocuments({ tenant_id: id, open: true })) === 0;
  }

  /** Makes another server's lease look as old as it would be some seconds later. */
  async expireLeases(): Promise<void> {
    await this.deployment.client.db(`${this.prefix}_control`).collection("placement_moves").updateMany({ lease_until: { $exists: true } }, { $set: { lease_until: new Date(0) } });
  }

  /** Rows of the tenant anywhere but in its home, and databases of silos that nobody lives in. */
  async orphans(id: string): Promise<readonly string[]> {
    const record = await this.control.directory.find(parseTenantId(id));
    const home = record?.placement.kind === "SETTLED" ? record.placement.home : undefined;
    const { databases } = await this.deployment.client.db("admin").admin().listDatabases({ nameOnly: true });
    const silos = databases.map(({ name }) => name).filter((name) => name.startsWith(`${this.prefix}_${id}_`) && !(home?.kind === "SILO" && home.database === name));
    if (home?.kind !== "SILO") return silos;
    const pool = this.deployment.client.db(`${this.prefix}_pool`);
    const counts = await Promise.all(["documents", "chunks", "raw_documents", "totals"].map(async (name) => [name, await pool.collection(name).countDocuments({ tenant_id: id })] as const));
    return [...silos, ...counts.filter(([, count]) => count > 0).map(([name, count]) => `${count} rows in the pool's ${name}`)];
  }

  async close(): Promise<void> {
    await this.homes.close();
  }

  async #open(key: string): Promise<TenantHome> {
    if (this.unreachable.has(key)) throw new Error("connection refused");
    this.opened.push(key);
    const home = homeOfKey(key);
    if (home.kind === "POOL") return openHome(this.#options(`${this.prefix}_pool`, "POOL"));
    expectNotDestroyed(home.database);
    const opened = await openHome(this.#options(home.database, "SILO"));
    await undoIfDestroyed(this.deployment, home.database);
    return opened;
  }

  #options(database: string, kind: HomeKind): HomeOptions {
    return {
      client: this.deployment.client,
      database,
      kind: kind === "POOL" ? { kind } : { kind, owner: parseTenantId(database.split("_")[1]) },
      embedding: testEmbedding,
      serverId: this.serverId,
      local: this.deployment.local,
      telemetry: this.telemetry,
    };
  }
}

/**
 * A control plane whose server dies at its `at`-th write, before or after the write takes effect.
 * From then on nothing it does has any effect, as of a process that was killed.
 */
export function dyingAt(control: ControlPlane, at: number, when: "BEFORE" | "AFTER"): { control: ControlPlane; writes: () => number; isDead: () => boolean } {
  let writes = 0;
  let dead = false;
  const died = conflict("This server was killed");
  const write = async <T>(work: () => Promise<T>): Promise<T> => {
    if (dead) throw died;
    writes += 1;
    if (writes !== at) return work();
    if (when === "BEFORE") {
      dead = true;
      throw died;
    }
    await work();
    dead = true;
    throw died;
  };
  const moves = control.moves;
  return {
    writes: () => writes,
    isDead: () => dead,
    control: {
      ...control,
      directory: { find: (id) => control.directory.find(id), create: (tenant) => control.directory.create(tenant), page: (request, filter) => control.directory.page(request, filter), update: (record, change) => write(() => control.directory.update(record, change)) },
      moves: {
        begin: (move) => moves.begin(move),
        find: (id) => moves.find(id),
        latestOf: (id) => moves.latestOf(id),
        lease: (owner, forMs, id, except) => moves.lease(owner, forMs, id, except),
        recordUnless: (id, owner, request, change, forMs) => write(() => moves.recordUnless(id, owner, request, change, forMs)),
        request: (id, request) => moves.request(id, request),
        // A heartbeat changes nothing and comes by the clock, so it is no place to die at.
        record: (id, owner, change, forMs) => (Object.keys(change).length === 0 && !dead ? moves.record(id, owner, change, forMs) : write(() => moves.record(id, owner, change, forMs))),
        release: (id, owner) => (dead ? Promise.reject(died) : moves.release(id, owner)),
      },
    },
  };
}

export async function moveTo(world: World, id: string, tier: "FREE" | "PRO" | "ENTERPRISE"): Promise<PlacementMoveRow> {
  const { move } = await world.administration.changeTier(id, tier);
  if (move === undefined) throw new Error("No move was begun");
  await world.mover().drive(move.id);
  return (await world.control.moves.find(move.id)) ?? move;
}
