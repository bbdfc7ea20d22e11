import { docArray, lsidBytes } from "../engine/values.js";
import type { Command } from "./command.js";

export const endSessions: Command = {
  name: "endSessions",
  fields: [],
  served: "gives up the sessions' open transactions",
  run: async ({ body, engine }) => {
    for (const lsid of docArray(body, "endSessions")) await engine.sessions.end(lsidBytes(lsid));
    return { ok: 1 };
  },
};

export const refreshSessions: Command = {
  name: "refreshSessions",
  fields: [],
  served: "keeps idle sessions",
  run: ({ body, engine }) => {
    for (const lsid of docArray(body, "refreshSessions")) engine.sessions.get(lsidBytes(lsid));
    return { ok: 1 };
  },
};
