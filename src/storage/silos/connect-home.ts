import type { MongoClient } from "mongodb";
import { isAuthenticationFailure } from "../mongo-connection.js";
import type { Cluster } from "./cluster.js";

export interface HomeConnection {
  readonly database: string;
  /** Asked for where a user is to be had. */
  readonly password: () => Promise<string>;
  readonly maxPoolSize: number;
  readonly appName: string;
}

/**
 * A client for one home, with rights to its database alone where the cluster allows such a user. A
 * user that is missing or has another password is made anew: someone may have removed it by hand,
 * or have given us the right to make users only now. The caller closes the client.
 */
export async function connectHome(cluster: Cluster, { database, password, maxPoolSize, appName }: HomeConnection): Promise<MongoClient> {
  const separation = await cluster.separation();
  if (separation.kind === "SHARED") return cluster.connectShared(maxPoolSize, appName);
  const { users } = separation;
  const user = { database, password: await password() };
  if (await users.isMissing(database)) await users.put(user);
  try {
    return await cluster.connectAs(user, maxPoolSize, appName);
  } catch (error) {
    if (!isAuthenticationFailure(error)) throw error;
  }
  await cluster.declareUser(users, user);
  return cluster.connectAs(user, maxPoolSize, appName);
}
