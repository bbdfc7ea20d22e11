import { readFile, readdir } from "node:fs/promises";
import { z } from "zod";
import { internal } from "../kernel/errors.js";
import type { HomeKind } from "../tenancy/tier-policy.js";
import type { EmbeddingModelRef } from "./tenant-store.js";

/** Content, which is a tenant's and moves with it, or what is known about tenants. */
export type Plane = "TENANT" | "CONTROL";

const declarationFolder = new URL("../../schema/collections/", import.meta.url);

const indexSchema = z.strictObject({
  name: z.string().min(1),
  key: z.record(z.string(), z.union([z.literal(1), z.literal(-1)])),
  unique: z.boolean().optional(),
  partialFilterExpression: z.record(z.string(), z.unknown()).optional(),
  expireAfterSeconds: z.int().nonnegative().optional(),
});

const searchIndexSchema = z.strictObject({
  name: z.string().min(1),
  type: z.literal("vectorSearch"),
  definition: z.strictObject({ fields: z.array(z.record(z.string(), z.unknown())).min(1) }),
});

const declarationSchema = z.strictObject({
  collection: z.string().min(1),
  plane: z.enum(["TENANT", "CONTROL"]),
  validator: z.record(z.string(), z.unknown()),
  /** Fields that a silo keeps in one sealed blob a row. */
  sealed: z.array(z.string().min(1)).optional(),
  /** Arrays of words that a silo keeps as keyed hashes, and in the clear inside the blob. */
  keyed: z.array(z.string().min(1)).optional(),
  indexes: z.array(indexSchema),
  searchIndexes: z.array(searchIndexSchema).optional(),
});

export type CollectionDeclaration = z.infer<typeof declarationSchema>;
export type IndexDeclaration = z.infer<typeof indexSchema>;
export type SearchIndexDeclaration = z.infer<typeof searchIndexSchema>;

/** Reads every declaration of `schema/collections/`. Throws `INTERNAL` naming the file that is wrong. */
export async function readDeclarations(plane: Plane): Promise<readonly CollectionDeclaration[]> {
  const names = (await readdir(declarationFolder)).filter((name) => name.endsWith(".json")).toSorted();
  const all = await Promise.all(names.map(readDeclaration));
  return all.filter((declaration) => declaration.plane === plane);
}

async function readDeclaration(name: string): Promise<CollectionDeclaration> {
  const parsed = declarationSchema.safeParse(JSON.parse(await readFile(new URL(name, declarationFolder), "utf8")));
  if (!parsed.success) throw internal(`schema/collections/${name} is not a declaration of a collection`, parsed.error);
  checkTenantFirst(name, parsed.data);
  checkSealed(name, parsed.data);
  return parsed.data;
}

/**
 * An index that starts with another field would be read across tenants. An index that expires rows
 * is exempt, since MongoDB allows it one field only; so are the few of the control plane that are
 * about all tenants.
 */
function checkTenantFirst(name: string, declaration: CollectionDeclaration): void {
  if (declaration.plane === "CONTROL") return;
  const stray = declaration.indexes.find((index) => index.expireAfterSeconds === undefined && Object.keys(index.key)[0] !== "tenant_id");
  if (stray !== undefined) throw internal(`schema/collections/${name}: the index ${stray.name} does not start with tenant_id`);
  for (const search of declaration.searchIndexes ?? []) {
    const first = search.definition.fields[0];
    if (first?.["type"] !== "filter" || first["path"] !== "tenant_id") throw internal(`schema/collections/${name}: the first field of ${search.name} is not the filter tenant_id`);
  }
}

/** The database can neither sort nor filter by what it cannot read; a query on such a field would find nothing in a silo, without a word. */
function checkSealed(name: string, declaration: CollectionDeclaration): void {
  const indexed = new Set([
    ...declaration.indexes.flatMap((index) => Object.keys(index.key)),
    ...(declaration.searchIndexes ?? []).flatMap((search) => search.definition.fields.map((field) => field["path"])),
  ]);
  const stray = declaration.sealed?.find((field) => indexed.has(field) || declaration.keyed?.includes(field));
  if (stray !== undefined) throw internal(`schema/collections/${name}: the sealed field ${stray} is indexed or keyed`);
}

/**
 * Fills in what the file leaves open: `$embedding`, the dimensions of the server's model, and
 * `$flatInPool`. The pool's many small tenants are compared whole behind the filter; a graph over
 * all of them would be walked through other tenants' vectors and give a small one poor recall.
 */
export function searchDefinition(search: SearchIndexDeclaration, home: HomeKind, embedding: EmbeddingModelRef): { fields: Record<string, unknown>[] } {
  const fields = search.definition.fields.map((field) => {
    const { numDimensions, indexingMethod, ...rest } = field;
    return {
      ...rest,
      ...(numDimensions === undefined ? {} : { numDimensions: numDimensions === "$embedding" ? embedding.dimensions : numDimensions }),
      ...(indexingMethod === undefined ? {} : indexingMethod !== "$flatInPool" ? { indexingMethod } : home === "POOL" ? { indexingMethod: "flat" } : {}),
    };
  });
  return { fields };
}
