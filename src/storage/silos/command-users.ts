import { MongoServerError, type Db, type Document } from "mongodb";
import { translating } from "../driver-errors.js";
import { narrowRole, userNameOf, type DatabaseUser, type DatabaseUsers } from "./database-users.js";

const userExists = 51_003;
const userNotFound = 11;

/** Users made by `createUser`, on the embedded engine and on deployments of one's own. */
export class CommandUsers implements DatabaseUsers {
  readonly means = "CREATE_USER";
  /** A user is there with the answer; a secondary that lags may still refuse it for a moment. */
  readonly loginWithinMs = 10_000;

  constructor(private readonly admin: Db) {}

  async isMissing(database: string): Promise<boolean> {
    const { users } = await translating(() => this.admin.command({ usersInfo: userNameOf(database) }));
    const [user] = users as Document[];
    const roles = (user?.["roles"] ?? []) as Document[];
    return roles.length !== 1 || roles[0]?.["role"] !== narrowRole || roles[0]["db"] !== database;
  }

  /** Two servers that start at once do the same: whoever comes second finds the user and sets what is set. */
  async put({ database, password }: DatabaseUser): Promise<void> {
    const wanted = { pwd: password, roles: [{ role: narrowRole, db: database }], mechanisms: ["SCRAM-SHA-256"], writeConcern: { w: "majority" } };
    await translating(async () => {
      try {
        await this.admin.command({ createUser: userNameOf(database), ...wanted });
      } catch (error) {
        if (!(error instanceof MongoServerError && error.code === userExists)) throw error;
        await this.admin.command({ updateUser: userNameOf(database), ...wanted });
      }
    });
  }

  async drop(database: string): Promise<boolean> {
    return translating(async () => {
      try {
        await this.admin.command({ dropUser: userNameOf(database), writeConcern: { w: "majority" } });
        return true;
      } catch (error) {
        if (error instanceof MongoServerError && error.code === userNotFound) return false;
        throw error;
      }
    });
  }
}
