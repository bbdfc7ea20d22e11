import { Long } from "bson";
import { typeMismatch } from "../engine/errors.js";
import { collectionName, namespaceOf, type Command, type CommandContext } from "./command.js";

export const killCursors: Command = {
  name: "killCursors",
  fields: ["cursors"],
  inTransaction: true,
  served: "any number of cursors of one collection; another user's are refused",
  run: (context) => {
    const namespace = namespaceOf(context, collectionName(context, "killCursors"));
    const ids = context.body["cursors"];
    if (!Array.isArray(ids) || !ids.every((id) => Long.isLong(id))) throw typeMismatch("cursors", ids, "array");
    // Before any is ended: the command is refused whole.
    if (!mayKillAny(context)) for (const id of ids as Long[]) context.engine.cursors.refuseOthers(id, context.owner);
    const isGone = (id: Long): boolean => context.engine.cursors.remove(id, namespace);
    const cursorsKilled: Long[] = [];
    const cursorsNotFound: Long[] = [];
    for (const id of ids as Long[]) (isGone(id) ? cursorsKilled : cursorsNotFound).push(id);
    return { cursorsKilled, cursorsNotFound, cursorsAlive: [], cursorsUnknown: [], ok: 1 };
  },
};

function mayKillAny({ caller }: CommandContext): boolean {
  return caller?.grants.allows({ action: "killAnyCursor", cluster: true }) ?? false;
}
