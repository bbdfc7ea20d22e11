import { serviceUnavailable } from "../../kernel/errors.js";
import type { StoreParts } from "../store-parts.js";
import { versionField } from "./sealed-fields.js";
import { SiloSealer } from "./silo-sealer.js";

/** Keys are rotated seconds apart at the very least, so a second look sees the present ones. */
const looksMax = 3;

/** `atOnce`: rows change their forms while it runs, so it must see all of them as of one moment. */
type Query<Value> = (forms: readonly (readonly string[])[], atOnce: boolean) => Promise<Value>;

/**
 * Runs a query that names words, in every form in which they may be stored. While a key is rotated
 * another server may have stored a word under a key that this one has not heard of, and would be
 * overlooked without an error. So the database itself is asked afterwards whether it has any row of
 * a newer key than the forms were made with; no age of a key is part of that argument.
 */
export async function withAllForms<Value>(parts: StoreParts, terms: readonly string[], query: Query<Value>): Promise<Value> {
  const { sealer } = parts;
  if (!(sealer instanceof SiloSealer)) return query(terms.map((term) => sealer.termForms(term)), false);
  for (let look = 1; look <= looksMax; look += 1) {
    await sealer.ready();
    const newest = sealer.version;
    const forms = terms.map((term) => sealer.termForms(term));
    const found = await query(forms, forms.some((of) => of.length > 1));
    if (await isNewest(parts, newest)) return found;
    await sealer.learn();
  }
  throw serviceUnavailable("The tenant's key is being renewed");
}

async function isNewest(parts: StoreParts, version: number): Promise<boolean> {
  return (await parts.read("chunks").count({ [versionField]: { $gt: version } })) === 0;
}
