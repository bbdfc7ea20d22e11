import { BulkheadError, serviceUnavailable } from "../../kernel/errors.js";
import type { AtlasApi } from "../atlas/atlas-api.js";
import { narrowRole, userNameOf, usersDatabase, type DatabaseUser, type DatabaseUsers } from "./database-users.js";

interface AtlasUser {
  readonly scopes?: readonly { readonly name?: string }[];
}

/**
 * Users made by the Atlas Admin API: Atlas refuses `createUser`. A user of a project holds on all its
 * clusters unless it is given a scope, so each is scoped to the cluster its database lies on.
 */
export class AtlasUsers implements DatabaseUsers {
  readonly means = "ATLAS_API";
  /** Atlas answers at once and brings a user to the cluster's nodes afterwards: seconds, minutes on a busy project. */
  readonly loginWithinMs = 180_000;
  readonly #hosts: ReadonlySet<string>;
  #clusterName: string | undefined;

  /** `hosts` are the addresses of the cluster's connection string. */
  constructor(private readonly api: AtlasApi, hosts: readonly string[]) {
    this.#hosts = new Set(hosts.map((host) => host.toLowerCase()));
  }

  /** A call of the API takes a second and counts against a limit, and it may be down while the cluster is not: the login tells. */
  async isMissing(): Promise<boolean> {
    return false;
  }

  async put({ database, password }: DatabaseUser): Promise<void> {
    const cluster = await this.#cluster();
    const wanted = { password, roles: [{ roleName: narrowRole, databaseName: database }], scopes: [{ name: cluster, type: "CLUSTER" }] };
    const made = await this.api.ask("POST", "/databaseUsers", { username: userNameOf(database), databaseName: usersDatabase, groupId: this.api.projectId, ...wanted });
    if (made.status !== 409) return expectOk(made.status, "make");
    await this.#refuseForeign(database, cluster);
    const changed = await this.api.ask("PATCH", pathOf(database), wanted);
    expectOk(changed.status, "change");
  }

  async drop(database: string): Promise<boolean> {
    const { status } = await this.api.ask("DELETE", pathOf(database));
    return status !== 404;
  }

  /** Names are one per project: another installation with our prefix on another cluster must not lose its user to us. */
  async #refuseForeign(database: string, cluster: string): Promise<void> {
    const { body } = await this.api.ask("GET", pathOf(database));
    const scopes = (body as AtlasUser | undefined)?.scopes ?? [];
    if (scopes.length > 0 && !scopes.some(({ name }) => name === cluster)) {
      throw new BulkheadError("CONFLICT", `The Atlas project has a user ${userNameOf(database)} of another cluster: give each installation a MONGODB_DATABASE of its own`);
    }
  }

  /** The name of the cluster in its project, found by its addresses. */
  async #cluster(): Promise<string> {
    if (this.#clusterName !== undefined) return this.#clusterName;
    const { status, body } = await this.api.ask("GET", "/clusters?itemsPerPage=500");
    const clusters = status === 200 ? ((body as { results?: readonly unknown[] } | undefined)?.results ?? []) : [];
    const ours = clusters.find((cluster) => addressesOf(cluster).some((address) => this.#hosts.has(address)));
    const name = (ours as { name?: unknown } | undefined)?.name;
    if (typeof name !== "string") throw serviceUnavailable(`The Atlas project of ATLAS_PROJECT_ID has no cluster at ${[...this.#hosts].join(",")}`);
    this.#clusterName = name;
    return name;
  }
}

function pathOf(database: string): string {
  return `/databaseUsers/${usersDatabase}/${encodeURIComponent(userNameOf(database))}`;
}

/** A cluster has addresses of several kinds (`standard`, `standardSrv`, `privateEndpoint`, …), nested and named differently by version. */
function addressesOf(cluster: unknown): string[] {
  if (typeof cluster === "string") {
    const [, hosts] = /^mongodb(?:\+srv)?:\/\/(?:[^@/]*@)?([^/?]+)/.exec(cluster) ?? [];
    return hosts === undefined ? [] : hosts.toLowerCase().split(",");
  }
  return typeof cluster === "object" && cluster !== null ? Object.values(cluster).flatMap(addressesOf) : [];
}

function expectOk(status: number, verb: string): void {
  if (status < 200 || status > 299) throw serviceUnavailable(`Atlas did not ${verb} a database user: got ${status}`);
}
