import { z } from "zod";
import { internal } from "../../kernel/errors.js";
import type { CollectionDeclaration } from "../collection-declaration.js";
import { blobField, versionField } from "./sealed-fields.js";

/** What is changed of a validator. The files of `schema/collections/` have all of it. */
const validatorSchema = z.object({
  $jsonSchema: z.looseObject({ required: z.array(z.string()), additionalProperties: z.literal(false), properties: z.record(z.string(), z.unknown()) }),
});

/** A keyed hash and no word: a clear term is refused by the database itself. */
const keyedProperty = { bsonType: "array", items: { bsonType: "string", pattern: "^[A-Za-z0-9_-]{22}$" } };

/**
 * The declaration as a silo has it: sealed fields are not allowed in the clear and the blob is
 * required, so that no fault of this server can write a clear text into a silo.
 */
export function sealedDeclaration(declaration: CollectionDeclaration): CollectionDeclaration {
  const { sealed = [], keyed = [] } = declaration;
  if (sealed.length + keyed.length === 0) return declaration;
  const parsed = validatorSchema.safeParse(declaration.validator);
  if (!parsed.success) throw internal(`The validator of ${declaration.collection} cannot be made for sealed rows`, parsed.error);
  const { required, properties, ...rest } = parsed.data.$jsonSchema;
  const clear = Object.entries(properties).filter(([name]) => !sealed.includes(name));
  return {
    ...declaration,
    validator: {
      $jsonSchema: {
        ...rest,
        required: [...required.filter((name) => !sealed.includes(name)), blobField, versionField],
        properties: {
          ...Object.fromEntries(clear.map(([name, property]) => [name, keyed.includes(name) ? keyedProperty : property])),
          [blobField]: { bsonType: "binData" },
          [versionField]: { bsonType: ["int", "long", "double"], minimum: 1 },
        },
      },
    },
    // Which rows wait to be sealed anew, and whether any is newer than the keys a server knows.
    indexes: [...declaration.indexes, { name: "by_key", key: { tenant_id: 1, [versionField]: 1 } }],
  };
}
