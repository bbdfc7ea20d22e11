/** One server's part in a move, composed as `src/database.ts` does it: homes with users, keys and sealed rows, a router, a mover. */
import { LeasedCache } from "../../src/kernel/leased-cache.js";
import { internal } from "../../src/kernel/errors.js";
import { newId, parseTenantId, type RequestId } from "../../src/kernel/ids.js";
import type { MoveTools } from "../../src/provisioning/move-run.js";
import { PlacementMover } from "../../src/provisioning/placement-mover.js";
import { TenantAdministration } from "../../src/provisioning/tenant-administration.js";
import { homeOfKey } from "../../src/routing/home-key.js";
import { TenantRouter } from "../../src/routing/tenant-router.js";
import type { ControlPlane } from "../../src/storage/control/control-plane.js";
import { openControlPlane } from "../../src/storage/control/open-control-plane.js";
import { unlockVault } from "../../src/storage/control/unlock-vault.js";
import { declareCollections } from "../../src/storage/declare-collections.js";
import type { TenantHome } from "../../src/storage/home.js";
import { openSiloSealer } from "../../src/storage/sealing/silo-sealer.js";
import { closeClientOf, ClusterSilos } from "../../src/storage/silos/cluster-silos.js";
import type { Clusters } from "../../src/storage/silos/clusters.js";
import { gatherClusters } from "../../src/storage/silos/gather-clusters.js";
import { openPool } from "../../src/storage/silos/open-pool.js";
import { CachedTenantDirectory } from "../../src/tenancy/tenant-directory.js";
import { openJobContext, type TenantContext } from "../../src/tenancy/tenant-context.js";
import { testEmbedding } from "./homes.js";
import { prefix, rootLogin } from "./silo-fixture.js";
import { policies, recordingTelemetry, type RecordingTelemetry } from "./tenants.js";

const wrapping = { current: Buffer.alloc(32, 7) };

/** Both longer than a server remembers where a tenant lives: another server than the mover's reads and writes here. */
export const announceMs = 550;
export const retireAfterMs = 600;

/** A cut connection is noticed and made again within this, or not at all. */
const waitMsMax = 5_000;

export class MoveServer {
  readonly directory: CachedTenantDirectory;
  readonly router: TenantRouter;
  readonly administration: TenantAdministration;

  private constructor(
    readonly control: ControlPlane,
    readonly homes: LeasedCache<TenantHome>,
    readonly silos: ClusterSilos,
    private readonly clusters: Clusters,
    readonly telemetry: RecordingTelemetry,
  ) {
    this.directory = new CachedTenantDirectory(control.directory);
    this.router = new TenantRouter(this.directory, homes);
    this.administration = new TenantAdministration({ control, directory: this.directory, homes, silos, policies, onMoveBegun: () => {}, onReactivated: () => {} });
  }

  /** On an engine of `startGuardedEngine`; all servers of one engine share what is stored. */
  static async start(uri: string, serverId: string): Promise<MoveServer> {
    const telemetry = recordingTelemetry();
    const clusters = gatherClusters({ main: { uri, login: rootLogin }, embedded: true, named: [], waitMsMax }, telemetry);
    const client = await clusters.main.admin();
    const db = client.db(`${prefix}_control`);
    await declareCollections(db, "CONTROL", "POOL", testEmbedding);
    await unlockVault(db, wrapping);
    const control = openControlPlane(client, db, wrapping);
    const shared = { databasePrefix: prefix, embedding: testEmbedding, serverId, telemetry, vault: control.vault };
    const silos = new ClusterSilos({ ...shared, clusters, control: db, sealerOf: (tenantId, { database }) => openSiloSealer({ tenantId, database, vault: control.vault, telemetry }) });
    const open = (key: string): Promise<TenantHome> => {
      const home = homeOfKey(key);
      return home.kind === "POOL" ? openPool({ ...shared, cluster: clusters.main, onProgress: () => {} }) : silos.open(home);
    };
    const homes = new LeasedCache<TenantHome>(100, open, closeClientOf, () => {});
    (await homes.lease("POOL")).release();
    return new MoveServer(control, homes, silos, clusters, telemetry);
  }

  mover(options: Partial<Pick<MoveTools, "announceMs" | "observeMs" | "retireAfterMs" | "at">> = {}): PlacementMover {
    const { control, directory, homes, silos } = this;
    return new PlacementMover({ control, directory, homes, silos, policies, announceMs, observeMs: 0, retireAfterMs, ...options }, this.telemetry);
  }

  async context(id: string): Promise<TenantContext> {
    const record = await this.control.directory.find(parseTenantId(id));
    if (record === undefined) throw internal(`No tenant ${id}`);
    return openJobContext(record, policies, newId<RequestId>("request"));
  }

  async close(): Promise<void> {
    await this.homes.close();
    await this.clusters.close();
  }
}
