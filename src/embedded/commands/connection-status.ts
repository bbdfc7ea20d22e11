import { authInfo } from "../auth/sasl.js";
import { flag } from "../engine/values.js";
import type { Command } from "./command.js";

export const connectionStatus: Command = {
  name: "connectionStatus",
  fields: ["showPrivileges"],
  served: "the connection's user with his roles, and showPrivileges",
  run: ({ body, caller }) => ({ authInfo: authInfo(caller, flag(body, "showPrivileges")), ok: 1 }),
};
