import { badUserInput, serviceUnavailable } from "../../kernel/errors.js";
import type { Telemetry } from "../../kernel/telemetry.js";
import type { SiloHome } from "../../tenancy/tenant-record.js";
import type { Cluster } from "./cluster.js";

/** The main deployment and the clusters of `SILO_CLUSTER_URIS`. */
export class Clusters {
  readonly #named: ReadonlyMap<string, Cluster>;

  constructor(readonly main: Cluster, named: readonly Cluster[], private readonly telemetry: Telemetry) {
    this.#named = new Map(named.flatMap((cluster) => (cluster.name === undefined ? [] : [[cluster.name, cluster] as const])));
  }

  /** In the order in which they were given. */
  get names(): readonly string[] {
    return [...this.#named.keys()];
  }

  /** For a new silo. Throws `BAD_USER_INPUT`. */
  named(name: string): Cluster {
    const cluster = this.#named.get(name);
    if (cluster === undefined) throw badUserInput("cluster", JSON.stringify(name), this.names.length === 0 ? "none, since SILO_CLUSTER_URIS is not set" : `one of ${this.names.join(", ")}`);
    return cluster;
  }

  /** Where a silo is. Throws `SERVICE_UNAVAILABLE` when its cluster is configured no more: the pool is no substitute. */
  of({ cluster: name, database }: SiloHome): Cluster {
    if (name === undefined) return this.main;
    const cluster = this.#named.get(name);
    if (cluster !== undefined) return cluster;
    this.telemetry.log("error", "A silo lies on a cluster that SILO_CLUSTER_URIS does not name", { cluster: name, database });
    throw serviceUnavailable("The tenant's database does not answer");
  }

  /** Finds out in the background what each cluster allows, so that the log has it before a tenant needs it. */
  lookAtNamed(): void {
    // A cluster that does not answer has said so in the log itself.
    for (const cluster of this.#named.values()) cluster.separation().catch(() => undefined);
  }

  async close(): Promise<void> {
    await Promise.all([this.main, ...this.#named.values()].map((cluster) => cluster.close()));
  }
}
