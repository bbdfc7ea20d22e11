import { MongoClient, type MongoClientOptions } from "mongodb";
import { engineFixture, type EngineFixture } from "../engine/engine-fixture.js";
import type { StartEngineOptions } from "../../../src/embedded/start-engine.js";

export const ROOT = { user: "root", password: "root password" };
export const PASSWORD = "correct horse";

export interface UsersFixture extends EngineFixture {
  /** A client of its own for a user, closed with the fixture. */
  as(user: string, authSource: string, password?: string, options?: MongoClientOptions): MongoClient;
  createUser(db: string, user: string, roles: unknown[]): Promise<void>;
}

/** An engine that enforces users; `client` is root's. */
export async function usersFixture(options: Partial<StartEngineOptions> = {}): Promise<UsersFixture> {
  const engine = await engineFixture({ users: { root: ROOT }, ...options }, { auth: { username: ROOT.user, password: ROOT.password } });
  const clients: MongoClient[] = [];
  return {
    ...engine,
    as: (user, authSource, password = PASSWORD, more = {}) => {
      const client = new MongoClient(engine.uri, { auth: { username: user, password }, authSource, maxPoolSize: 2, ...more });
      clients.push(client);
      return client;
    },
    createUser: async (db, user, roles) => {
      await engine.client.db(db).command({ createUser: user, pwd: PASSWORD, roles });
    },
    stop: async () => {
      await Promise.all(clients.map((client) => client.close()));
      await engine.stop();
    },
  };
}
