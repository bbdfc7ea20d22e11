import { Long } from "bson";
import { EngineError } from "../engine-error.js";
import { nonNegativeInteger, requiredString } from "../engine/values.js";
import { encodeCursorReply } from "../wire/cursor-reply.js";
import { takeBatch } from "./batch.js";
import { namespaceOf, type Command } from "./command.js";

export const getMore: Command = {
  name: "getMore",
  fields: ["collection", "batchSize", "term", "lastKnownCommittedOpTime"],
  inTransaction: true,
  served: "batchSize; an idle cursor ends after 10 minutes; another user's is refused",
  run: async (context) => {
    const id = context.body["getMore"];
    if (!Long.isLong(id)) throw new EngineError(14, "TypeMismatch", "BSON field 'getMore.getMore' is the wrong type, expected type 'long'");
    const namespace = namespaceOf(context, requiredString(context.body, "collection"));
    const { cursors } = context.engine;
    const cursor = cursors.require(id, namespace, context.transaction, context.owner);
    const countMax = nonNegativeInteger(context.body, "batchSize") || Number.POSITIVE_INFINITY;
    try {
      const batch = await takeBatch(cursor.documents, cursor.held, countMax, context.breath);
      cursor.held = batch.held;
      if (batch.done) cursors.remove(id);
      return encodeCursorReply({ id: batch.done ? Long.ZERO : id, namespace, batchName: "nextBatch", documents: batch.documents });
    } catch (error) {
      // A cursor that failed half way has lost documents: it must not be continued.
      cursors.remove(id);
      throw error;
    }
  },
};
