import { parseRoles } from "../auth/roles.js";
import { checkedPassword } from "../auth/scram-credentials.js";
import { badValue } from "../engine/errors.js";
import { optionalDoc } from "../engine/values.js";
import type { Command } from "./command.js";
import { namedUser, refuseOtherMechanisms } from "./user-fields.js";

const FIELDS = ["pwd", "roles", "customData", "mechanisms", "digestPassword"];

export const updateUser: Command = {
  name: "updateUser",
  fields: FIELDS,
  served: "pwd, roles, customData; roles hold from the next command of every connection; refused: the root user given at the start",
  run: async (context) => {
    const { body, users, databaseName } = context;
    const name = namedUser(context, "updateUser");
    if (!FIELDS.some((field) => body[field] !== undefined)) throw badValue("Must specify at least one field to update in updateUser");
    refuseOtherMechanisms(body);
    const customData = optionalDoc(body, "customData");
    await users.update(name, {
      ...(body["pwd"] === undefined ? {} : { password: checkedPassword(body["pwd"]) }),
      ...(body["roles"] === undefined ? {} : { roles: parseRoles(body, databaseName) }),
      ...(customData ? { customData } : {}),
    });
    return { ok: 1 };
  },
};
