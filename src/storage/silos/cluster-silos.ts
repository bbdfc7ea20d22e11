/**
 * Makes, opens and unmakes silos. Before it: `provisioning/`, which decides when, and the cache of
 * homes; after it: `clusters.ts` for the way there, the vault for key and password.
 */
import type { Db, MongoClient } from "mongodb";
import { conflict, internal, notFound, serviceUnavailable } from "../../kernel/errors.js";
import type { TenantId } from "../../kernel/ids.js";
import type { Telemetry } from "../../kernel/telemetry.js";
import type { SiloHome } from "../../tenancy/tenant-record.js";
import type { KeyVault } from "../control/control-plane.js";
import { translating } from "../driver-errors.js";
import { openHome, type TenantHome } from "../home.js";
import type { RowSealer } from "../row-sealer.js";
import { siloKeyName } from "../sealing/silo-key-name.js";
import type { SiloIsolation, SiloProvider, SiloRemoval } from "../silo-provider.js";
import type { EmbeddingModelRef } from "../tenant-store.js";
import type { Cluster } from "./cluster.js";
import type { Clusters } from "./clusters.js";
import { connectHome } from "./connect-home.js";
import { passwordOf } from "./password-of.js";
import { countSilos } from "./silo-census.js";
import { ownerOfSilo, siloName } from "./silo-name.js";

export interface ClusterSilosOptions {
  readonly clusters: Clusters;
  readonly vault: KeyVault;
  /** The control plane's database, for a census of silos. */
  readonly control: Db;
  readonly databasePrefix: string;
  readonly embedding: EmbeddingModelRef;
  readonly serverId: string;
  readonly telemetry: Telemetry;
  readonly sealerOf: (owner: TenantId, home: SiloHome) => Promise<RowSealer>;
}

/** Each silo has its own client, so that one tenant's load does not take another's connections. */
const connectionsMax = 16;

export class ClusterSilos implements SiloProvider {
  constructor(private readonly options: ClusterSilosOptions) {}

  async place(tenantId: TenantId, epoch: number, name?: string): Promise<SiloHome> {
    const { clusters, databasePrefix } = this.options;
    const cluster = name !== undefined ? clusters.named(name) : clusters.names.length === 0 ? clusters.main : await this.#emptiest();
    const database = siloName(databasePrefix, tenantId, epoch, cluster.onAtlas);
    return { kind: "SILO", database, ...(cluster.name === undefined ? {} : { cluster: cluster.name }) };
  }

  async prepare(tenantId: TenantId, home: SiloHome): Promise<void> {
    this.#expectOwner(tenantId, home);
    // A silo on a cluster that is not there leaves nothing.
    await this.options.clusters.of(home).separation();
    // The key comes first: nothing of a silo exists without one, and whoever finds it gone knows that the silo is to go.
    await this.options.vault.ensure(tenantId, siloKeyName(home));
    await closeClientOf(await this.open(home));
  }

  /**
   * Opens a silo that was prepared; its collections are brought to what is declared, which changes
   * nothing but after an update. Throws `SERVICE_UNAVAILABLE`, also for one that was destroyed.
   */
  async open(home: SiloHome): Promise<TenantHome> {
    const { clusters, vault, databasePrefix, embedding, serverId, telemetry, sealerOf } = this.options;
    const owner = ownerOfSilo(home.database, databasePrefix);
    const cluster = clusters.of(home);
    if ((await vault.find(owner, siloKeyName(home))) === undefined) throw notPrepared();
    let client: MongoClient | undefined;
    try {
      client = await connectHome(cluster, { database: home.database, password: () => this.#password(owner, home), maxPoolSize: connectionsMax, appName: "bulkhead-silo" });
      const declareWith = (await cluster.admin()).db(home.database);
      const opened = await openHome({
        client, database: home.database, declareWith, embedding, serverId, telemetry,
        kind: { kind: "SILO", owner }, local: cluster.local, sealer: await sealerOf(owner, home),
      });
      await this.#undoUnlessWanted(owner, home);
      return opened;
    } catch (error) {
      await client?.close();
      // The login may have brought back the user, or a declaration the database, of a silo that was destroyed meanwhile.
      await this.#undoUnlessWanted(owner, home);
      throw error;
    }
  }

  /**
   * The key goes first, then what it was for. A server that slept in the middle of preparing or
   * opening this silo looks for the key when it has made whatever it makes: if it still finds it,
   * all that was made before this began to drop; if not, it drops everything itself.
   */
  async destroy(tenantId: TenantId, home: SiloHome): Promise<SiloRemoval> {
    this.#expectOwner(tenantId, home);
    const { clusters, vault } = this.options;
    const key = await vault.destroy(tenantId, siloKeyName(home));
    const cluster = clusters.of(home);
    const separation = await cluster.separation();
    const user = separation.kind === "OWN" && (await separation.users.drop(home.database));
    const database = await dropped((await cluster.admin()).db(home.database));
    await vault.destroy(tenantId, passwordName(home));
    return { database, user, key };
  }

  async isolation(tenantId: TenantId, home: SiloHome): Promise<SiloIsolation> {
    this.#expectOwner(tenantId, home);
    const secret = await this.options.vault.find(tenantId, siloKeyName(home));
    const keyVersion = secret?.versions.at(-1)?.version;
    if (keyVersion === undefined) throw notFound("Key of the silo");
    const { kind } = await this.options.clusters.of(home).separation();
    return { credential: kind, keyVersion, ...(home.cluster === undefined ? {} : { cluster: home.cluster }) };
  }

  /** Ties go to the cluster that was named first. */
  async #emptiest(): Promise<Cluster> {
    const { clusters, control } = this.options;
    const silos = await countSilos(control);
    const [first] = clusters.names.toSorted((a, b) => (silos.get(a) ?? 0) - (silos.get(b) ?? 0));
    return clusters.named(first ?? "");
  }

  async #password(owner: TenantId, home: SiloHome): Promise<string> {
    return passwordOf(await this.options.vault.ensure(owner, passwordName(home)));
  }

  /** Asks the vault itself, not its memory: see `destroy`. */
  async #undoUnlessWanted(owner: TenantId, home: SiloHome): Promise<void> {
    if ((await this.options.vault.names(owner)).includes(siloKeyName(home))) return;
    await this.destroy(owner, home);
    throw conflict("The silo was removed while it was opened");
  }

  #expectOwner(tenantId: TenantId, { database }: SiloHome): void {
    if (ownerOfSilo(database, this.options.databasePrefix) !== tenantId) throw internal("A silo was asked for a tenant that does not own it");
  }
}

/** A home and the client it was opened with, which is its own. */
export async function closeClientOf(home: TenantHome): Promise<void> {
  await home.close();
  await clientOf(home).close();
}

function clientOf(home: TenantHome): MongoClient {
  return home.database.client;
}

function passwordName(home: SiloHome): string {
  return `silo-password:${home.database}`;
}

/** False when there was nothing. */
async function dropped(db: Db): Promise<boolean> {
  return translating(async () => {
    const found = await db.listCollections({}, { nameOnly: true }).toArray();
    await db.dropDatabase();
    return found.length > 0;
  });
}

function notPrepared(): Error {
  return serviceUnavailable("The tenant's database is not there");
}
