import { MongoClient, type Document } from "mongodb";
import type { AtlasApi } from "../atlas/atlas-api.js";
import { translating } from "../driver-errors.js";
import { AtlasUsers } from "./atlas-users.js";
import { CommandUsers } from "./command-users.js";
import { usersDatabase, type Separation } from "./database-users.js";

export interface SeparationQuestion {
  /** With the deployment's given credential. */
  readonly admin: MongoClient;
  readonly uri: string;
  /** Given when the cluster is Atlas's and a key is configured. */
  readonly atlas?: AtlasApi;
}

const actionsNeeded = ["createUser", "dropUser", "changePassword", "grantRole", "revokeRole", "viewUser"];
const probeMs = 2_000;

/**
 * How this deployment keeps one database from the users of another. Asked once a cluster: what it
 * allows is a matter of its configuration. Throws `SERVICE_UNAVAILABLE`.
 */
export async function findSeparation({ admin, uri, atlas }: SeparationQuestion): Promise<Separation> {
  const { authInfo } = await translating(() => admin.db(usersDatabase).command({ connectionStatus: 1, showPrivileges: true }));
  const info = (authInfo ?? {}) as Document;
  // A user that a deployment without access control has made is a wall of paper: it must not be reported as one.
  if (((info["authenticatedUsers"] ?? []) as unknown[]).length === 0 || (await servesStrangers(uri))) {
    return { kind: "SHARED", why: "it does not enforce access control" };
  }
  const privileges = (info["authenticatedUserPrivileges"] ?? []) as Document[];
  if (actionsNeeded.every((action) => privileges.some((privilege) => grantsEverywhere(privilege, action)))) {
    return { kind: "OWN", users: new CommandUsers(admin.db(usersDatabase)) };
  }
  if (atlas !== undefined) return { kind: "OWN", users: new AtlasUsers(atlas, hostsOfClient(admin)) };
  return { kind: "SHARED", why: "its credential may not make users, and no ATLAS_API_KEY serves it" };
}

/** A role may be granted by who has `grantRole` on the role's database, and silos are databases yet unnamed. */
function grantsEverywhere(privilege: Document, action: string): boolean {
  const resource = (privilege["resource"] ?? {}) as Document;
  const everywhere = resource["anyResource"] === true || (resource["db"] === "" && resource["collection"] === "");
  return everywhere && ((privilege["actions"] ?? []) as unknown[]).includes(action);
}

/** Whether someone who says no name may look at users: no deployment with access control lets them. */
async function servesStrangers(uri: string): Promise<boolean> {
  const stranger = new MongoClient(withoutLogin(uri), { serverSelectionTimeoutMS: probeMs, connectTimeoutMS: probeMs, maxPoolSize: 1, appName: "bulkhead-probe" });
  try {
    await stranger.db(usersDatabase).command({ usersInfo: 1 }, { timeoutMS: probeMs });
    return true;
  } catch {
    // Refused, or not even let in: either way no stranger is served.
    return false;
  } finally {
    await stranger.close();
  }
}

/** Connection strings escape `@`, `/` and `?` in a name and a password, so the first of each ends them. */
function withoutLogin(uri: string): string {
  return uri.replace(/^(mongodb(?:\+srv)?:\/\/)[^@/?]*@/, "$1").replaceAll(/(?<=[?&])auth(?:Source|Mechanism|MechanismProperties)=[^&]*&?/gi, "").replace(/[?&]$/, "");
}

function hostsOfClient({ options }: MongoClient): readonly string[] {
  return options.srvHost === undefined ? options.hosts.map((host) => host.toString()) : [options.srvHost];
}
