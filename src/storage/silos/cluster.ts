/**
 * One deployment that homes may lie on. Connects when first asked, so that a cluster that is down
 * takes its own tenants with it and nobody else. Before it: `clusters.ts`; after it: the driver.
 */
import type { MongoClient } from "mongodb";
import { setTimeout as sleep } from "node:timers/promises";
import { serviceUnavailable } from "../../kernel/errors.js";
import type { Telemetry } from "../../kernel/telemetry.js";
import type { AtlasApi } from "../atlas/atlas-api.js";
import { checkDeployment } from "../check-deployment.js";
import { connectMongo, isAuthenticationFailure, type MongoLogin } from "../mongo-connection.js";
import { userNameOf, type DatabaseUser, type DatabaseUsers, type Separation } from "./database-users.js";
import { findSeparation } from "./find-separation.js";

export interface ClusterOptions {
  /** Undefined for the main deployment. */
  readonly name?: string;
  readonly uri: string;
  /** The given credential, where `uri` does not hold it. */
  readonly login?: MongoLogin;
  /** The embedded engine in this process. */
  readonly local: boolean;
  readonly adminConnectionsMax: number;
  /** How long a server is waited for, in ms. */
  readonly waitMsMax?: number | undefined;
  readonly telemetry: Telemetry;
  /** Names of databases are shorter there. */
  readonly onAtlas: boolean;
  readonly atlas?: AtlasApi;
}

/** A cluster that was not there is not looked for again before this: a hundred tenants must not each wait for it. */
const absenceMs = 1_000;
const loginPollMsMin = 50;
const loginPollMsMax = 2_000;

export class Cluster {
  #admin: Promise<MongoClient> | undefined;
  #separation: Promise<Separation> | undefined;

  constructor(private readonly options: ClusterOptions) {}

  get name(): string | undefined {
    return this.options.name;
  }

  get onAtlas(): boolean {
    return this.options.onAtlas;
  }

  /** The embedded engine in this process. */
  get local(): boolean {
    return this.options.local;
  }

  /** For log lines. */
  get label(): string {
    return this.options.name === undefined ? "main deployment" : `cluster ${this.options.name}`;
  }

  /** With the given credential: for the control plane and for making and unmaking homes. Throws `SERVICE_UNAVAILABLE`. */
  admin(): Promise<MongoClient> {
    return (this.#admin ??= remembered(this.#connectAdmin(), () => (this.#admin = undefined)));
  }

  /** Found out once, and logged. Throws `SERVICE_UNAVAILABLE`. */
  separation(): Promise<Separation> {
    return (this.#separation ??= remembered(this.#findSeparation(), () => (this.#separation = undefined)));
  }

  /** With the database's own user, which must exist. An error that `isAuthenticationFailure` knows when it does not. The caller closes the client. */
  connectAs({ database, password }: DatabaseUser, maxPoolSize: number, appName: string): Promise<MongoClient> {
    return this.#connect(maxPoolSize, appName, { username: userNameOf(database), password });
  }

  /** With the given credential, for a home where nothing narrower is to be had. The caller closes the client. */
  connectShared(maxPoolSize: number, appName: string): Promise<MongoClient> {
    return this.#connect(maxPoolSize, appName, this.options.login);
  }

  /** Makes the user what it is to be and waits until it can log in. Throws `SERVICE_UNAVAILABLE`. */
  async declareUser(users: DatabaseUsers, user: DatabaseUser): Promise<void> {
    await users.put(user);
    const endsAt = performance.now() + users.loginWithinMs;
    for (let pauseMs = loginPollMsMin; !(await this.#canLogIn(user)); pauseMs = Math.min(loginPollMsMax, pauseMs * 2)) {
      if (performance.now() >= endsAt) throw serviceUnavailable(`The user of ${user.database} cannot log in yet`, loginPollMsMax);
      await sleep(pauseMs);
    }
  }

  async close(): Promise<void> {
    const admin = await this.#admin?.catch(() => undefined);
    await admin?.close();
  }

  async #canLogIn(user: DatabaseUser): Promise<boolean> {
    try {
      await (await this.connectAs(user, 1, "bulkhead-login")).close();
      return true;
    } catch (error) {
      if (isAuthenticationFailure(error)) return false;
      throw error;
    }
  }

  async #connectAdmin(): Promise<MongoClient> {
    const { name, adminConnectionsMax, login, local, telemetry } = this.options;
    let client: MongoClient | undefined;
    try {
      client = await this.#connect(adminConnectionsMax, "bulkhead", login);
      if (!local) await checkDeployment(client);
      return client;
    } catch (error) {
      await client?.close();
      if (name === undefined) throw error;
      // Whose request this is must not learn what is wrong with a cluster, only that its data cannot be reached.
      telemetry.log("warn", `The ${this.label} cannot be used`, { error: String(error) });
      throw serviceUnavailable("The tenant's database does not answer", absenceMs, error);
    }
  }

  async #findSeparation(): Promise<Separation> {
    const { uri, atlas, telemetry } = this.options;
    const separation = await findSeparation({ admin: await this.admin(), uri, ...(atlas === undefined ? {} : { atlas }) });
    if (separation.kind === "OWN") telemetry.log("info", `Each home on the ${this.label} has a database user of its own`, { means: separation.users.means });
    else telemetry.log("warn", `Homes on the ${this.label} share one database credential, since ${separation.why}`);
    return separation;
  }

  #connect(maxPoolSize: number, appName: string, login: MongoLogin | undefined): Promise<MongoClient> {
    const { uri, local, telemetry, waitMsMax } = this.options;
    return connectMongo({ uri, local, appName, maxPoolSize, telemetry, ...(login === undefined ? {} : { login }), ...(waitMsMax === undefined ? {} : { waitMsMax }) });
  }
}

/** Keeps a success for good and a failure for `absenceMs`. */
function remembered<Value>(work: Promise<Value>, forget: () => void): Promise<Value> {
  work.catch(() => setTimeout(forget, absenceMs).unref());
  return work;
}
