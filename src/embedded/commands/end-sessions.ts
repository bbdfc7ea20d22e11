import { docArray } from "../engine/values.js";
import { sessionId, type Command } from "./command.js";

export const endSessions: Command = {
  name: "endSessions",
  fields: [],
  served: "gives up the sessions' open transactions",
  run: async (context) => {
    for (const lsid of docArray(context.body, "endSessions")) await context.engine.sessions.end(sessionId(context.sessionSuffix, lsid));
    return { ok: 1 };
  },
};

export const refreshSessions: Command = {
  name: "refreshSessions",
  fields: [],
  served: "keeps idle sessions",
  run: (context) => {
    for (const lsid of docArray(context.body, "refreshSessions")) context.engine.sessions.get(sessionId(context.sessionSuffix, lsid));
    return { ok: 1 };
  },
};
