import { Double } from "bson";
import { unauthorized } from "../auth/authorize.js";
import type { Database } from "../engine/database.js";
import { flag, optionalDoc } from "../engine/values.js";
import type { Doc } from "../semantics/bson-codec.js";
import { compileMatcher } from "../semantics/matcher.js";
import type { Command, CommandContext } from "./command.js";

export const listDatabases: Command = {
  name: "listDatabases",
  fields: ["filter", "nameOnly", "authorizedDatabases"],
  served: "filter, nameOnly, authorizedDatabases; to a user without the cluster's listDatabases only what his roles reach",
  run: (context) => {
    const { engine, body } = context;
    const nameOnly = flag(body, "nameOnly");
    const matches = compileMatcher(optionalDoc(body, "filter") ?? {});
    const databases = engine.names().filter(isShown(context)).flatMap((name) => {
      const database = engine.existing(name);
      return database && database.catalog.size > 0 ? [describe(database)] : [];
    });
    const shown = databases.filter(matches);
    if (nameOnly) return { databases: shown.map(({ name }) => ({ name })), ok: 1 };
    const totalSize = shown.reduce((sum, { sizeOnDisk }) => sum + (sizeOnDisk as Double).value, 0);
    return { databases: shown, totalSize: new Double(totalSize), totalSizeMb: new Double(Math.floor(totalSize / 1_048_576)), ok: 1 };
  },
};

function isShown({ body, caller, users }: CommandContext): (name: string) => boolean {
  if (!users.enforced || !caller) return () => true;
  const mayAll = caller.grants.allows({ action: "listDatabases", cluster: true });
  const onlyAuthorized = flag(body, "authorizedDatabases", !mayAll);
  if (!onlyAuthorized && !mayAll) throw unauthorized("Insufficient permissions to list all databases");
  return onlyAuthorized ? (name) => caller.grants.reaches(name) : () => true;
}

function describe(database: Database): Doc {
  return { name: database.name, sizeOnDisk: new Double(database.file.sizeBytes()), empty: database.catalog.size === 0 };
}
