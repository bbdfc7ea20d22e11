import { parseRoles } from "../auth/roles.js";
import { checkedPassword } from "../auth/scram-credentials.js";
import { badValue } from "../engine/errors.js";
import { optionalDoc } from "../engine/values.js";
import type { Command } from "./command.js";
import { namedUser, refuseOtherMechanisms } from "./user-fields.js";

export const createUser: Command = {
  name: "createUser",
  fields: ["pwd", "roles", "customData", "mechanisms", "digestPassword"],
  served: "SCRAM-SHA-256 with a password of printable ASCII; the built-in roles of auth/roles.ts; refused: other mechanisms, authenticationRestrictions",
  run: async (context) => {
    const { body, users, databaseName } = context;
    const name = namedUser(context, "createUser");
    if (databaseName === "local") throw badValue("Cannot create users in the local database");
    refuseOtherMechanisms(body);
    const password = checkedPassword(body["pwd"]);
    await users.create(name, { password, roles: parseRoles(body, databaseName), customData: optionalDoc(body, "customData") });
    return { ok: 1 };
  },
};
