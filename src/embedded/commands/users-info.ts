import { UUID } from "bson";
import { askedUsers } from "../auth/asked-users.js";
import type { KnownUser } from "../auth/known-user.js";
import { MECHANISM } from "../auth/scram-credentials.js";
import { userKey } from "../auth/user-name.js";
import { flag, optionalDoc } from "../engine/values.js";
import type { Doc } from "../semantics/bson-codec.js";
import { compileMatcher } from "../semantics/matcher.js";
import type { Command, CommandContext } from "./command.js";

export const usersInfo: Command = {
  name: "usersInfo",
  fields: ["showPrivileges", "showCustomData", "filter"],
  served: "one, several, all of the database, forAllDBs; showPrivileges, showCustomData, filter; refused: showCredentials",
  run: (context) => {
    const { body } = context;
    const matches = compileMatcher(optionalDoc(body, "filter") ?? {});
    const shown = asked(context).map((user) => describe(user, body));
    return { users: shown.filter(matches), ok: 1 };
  },
};

function asked({ users, body, databaseName }: CommandContext): KnownUser[] {
  const whom = askedUsers(body["usersInfo"], databaseName);
  if (whom.kind === "named") return whom.names.flatMap((name) => users.find(name) ?? []);
  return users.all().filter(({ name }) => whom.kind === "everywhere" || name.db === databaseName);
}

function describe({ id, name, roles, customData, grants }: KnownUser, body: Doc): Doc {
  return {
    _id: userKey(name),
    userId: new UUID(id),
    user: name.user,
    db: name.db,
    ...(customData && flag(body, "showCustomData", true) ? { customData } : {}),
    roles: roles.map((role) => ({ ...role })),
    ...(flag(body, "showPrivileges") ? { inheritedRoles: roles.map((role) => ({ ...role })), inheritedPrivileges: grants.describe() } : {}),
    mechanisms: [MECHANISM],
  };
}
