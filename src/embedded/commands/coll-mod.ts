import { EngineError } from "../engine-error.js";
import type { CollectionState } from "../engine/catalog.js";
import { badValue } from "../engine/errors.js";
import { indexNotFound, indexStateOf, samePattern, storedIndexOf, type IndexState } from "../engine/index-state.js";
import { asNumber, isNumber, optionalDoc } from "../engine/values.js";
import type { Doc } from "../semantics/bson-codec.js";
import { collectionName, writableDatabase, type Command } from "./command.js";
import { validationOptions } from "./create.js";

export const collMod: Command = {
  name: "collMod",
  fields: ["validator", "validationLevel", "validationAction", "index"],
  served: "validator, validationLevel, validationAction, index.expireAfterSeconds",
  run: async (context) => {
    const name = collectionName(context, "collMod");
    const database = await writableDatabase(context);
    const { body } = context;
    const changesIndex = optionalDoc(body, "index");
    await database.changeCollection(name, (collection) => ({
      options: validationOptions(body, collection.options),
      ...(changesIndex ? { indexes: withExpiry(collection, changesIndex) } : {}),
    }));
    return { ok: 1 };
  },
};

function withExpiry(collection: CollectionState, change: Doc): IndexState[] {
  const unknown = Object.keys(change).find((field) => !["name", "keyPattern", "expireAfterSeconds"].includes(field));
  if (unknown) throw new EngineError(40415, "Location40415", `BSON field 'collMod.index.${unknown}' is an unknown field.`);
  const seconds = change["expireAfterSeconds"];
  if (!isNumber(seconds) || asNumber(seconds) < 0) throw badValue("collMod.index needs a non-negative 'expireAfterSeconds'");
  const isMeant = (index: IndexState): boolean =>
    change["name"] === undefined ? samePattern({ key: change["keyPattern"] ?? {} }, index.spec) : index.name === change["name"];
  if (!collection.indexes.some(isMeant)) throw indexNotFound(String(change["name"] ?? JSON.stringify(change["keyPattern"])));
  return collection.indexes.map((index) =>
    isMeant(index) ? indexStateOf({ ...storedIndexOf(index), spec: { ...index.spec, expireAfterSeconds: seconds } }, index.visibleFrom) : index,
  );
}
