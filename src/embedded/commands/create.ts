import { notServed } from "../engine/errors.js";
import { flag, isDoc } from "../engine/values.js";
import { compileValidator } from "../engine/validator.js";
import type { Doc } from "../semantics/bson-codec.js";
import { collectionName, writableDatabase, type Command } from "./command.js";
import { refuseCollation } from "./query-options.js";

const REFUSED = ["size", "max", "timeseries", "expireAfterSeconds", "clusteredIndex", "viewOn", "pipeline", "indexOptionDefaults", "encryptedFields", "changeStreamPreAndPostImages"];

export const create: Command = {
  name: "create",
  fields: ["capped", "validator", "validationLevel", "validationAction", "collation", "storageEngine", "idIndex", "autoIndexId", ...REFUSED],
  served: "validator, validationLevel, validationAction; refused: capped, time series, clustered, views, collation",
  run: async (context) => {
    const { body } = context;
    const name = collectionName(context, "create");
    refuseCollation(body);
    if (flag(body, "capped")) throw notServed("A capped collection");
    const refused = REFUSED.find((option) => body[option] !== undefined);
    if (refused) throw notServed(`create with '${refused}'`);
    const database = await writableDatabase(context);
    await database.createCollection(name, validationOptions(body), { mayExist: false });
    return { ok: 1 };
  },
};

/** The validation part of create and collMod, checked by compiling it. */
export function validationOptions(body: Doc, before: Doc = {}): Doc {
  const options: Doc = { ...before };
  for (const option of ["validator", "validationLevel", "validationAction"]) {
    if (body[option] !== undefined) options[option] = body[option];
  }
  const validator = options["validator"];
  if (isDoc(validator) && Object.keys(validator).length === 0) delete options["validator"];
  if (options["validationAction"] === "warn" || options["validationAction"] === "errorAndLog") {
    throw notServed(`validationAction '${options["validationAction"]}'`);
  }
  compileValidator(options);
  return options;
}
