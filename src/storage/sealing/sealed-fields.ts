import { readDeclarations } from "../collection-declaration.js";

/** What a silo keeps of a collection otherwise than in the clear, as `schema/collections/` declares it. */
export interface SealedFields {
  readonly sealed: readonly string[];
  readonly keyed: readonly string[];
}

/** By collection; one that seals nothing is not in it. */
export type SealedCollections = ReadonlyMap<string, SealedFields>;

/** The blob of a sealed row, and the version of the key that opens it. */
export const blobField = "sealed";
export const versionField = "sealed_with";

export async function readSealedCollections(): Promise<SealedCollections> {
  const declared = (await readDeclarations("TENANT")).map(({ collection, sealed = [], keyed = [] }) => [collection, { sealed, keyed }] as const);
  return new Map(declared.filter(([, { sealed, keyed }]) => sealed.length + keyed.length > 0));
}
