import { Int32 } from "bson";
import type { Command } from "./command.js";
import { namedUser } from "./user-fields.js";

export const dropUser: Command = {
  name: "dropUser",
  fields: [],
  served: "cuts off the user's connections from their next command, and ends his cursors and transactions",
  run: async (context) => {
    await context.users.drop(namedUser(context, "dropUser"));
    return { ok: 1 };
  },
};

export const dropAllUsersFromDatabase: Command = {
  name: "dropAllUsersFromDatabase",
  fields: [],
  served: "as dropUser, for every user of the database",
  run: async ({ users, databaseName }) => ({ n: new Int32(await users.dropAll(databaseName)), ok: 1 }),
};
