/** Whether what is sent to the driver names a tenant. A pure function of the arguments, so that a mutant's can be asked about as well. */
type Fields = Readonly<Record<string, unknown>>;

/** Collections of the control plane whose key is the tenant, alone or before a slash. */
const keyedByTenant: ReadonlySet<string> = new Set(["tenants", "erasures", "spending", "tenant_secrets"]);
const updates = ["updateOne", "replaceOne", "deleteOne", "deleteMany"] as const;

/** By a field of its own or within the key of a fence; in rows, pipelines and bulk operations by each of them. */
export function namesTenant(collection: string, value: unknown): boolean {
  if (Array.isArray(value)) {
    const [first] = value as readonly Fields[];
    if (first === undefined) return false;
    // A pipeline is narrowed by its first stage; the driver counts by one as well.
    if ("$vectorSearch" in first) return namesTenant(collection, (first["$vectorSearch"] as { filter: unknown }).filter);
    return "$match" in first ? namesTenant(collection, first["$match"]) : value.every((item) => namesTenant(collection, item));
  }
  if (typeof value !== "object" || value === null) return false;
  const fields = value as Fields;
  if (keyedByTenant.has(collection)) return isName(fields["_id"]) || isName(fields["owner"]);
  if ("tenant_id" in fields) return isTenant(fields["tenant_id"]);
  if ("held.tenant_id" in fields) return isName(fields["held.tenant_id"]);
  if (Array.isArray(fields["$or"])) return fields["$or"].length > 0 && fields["$or"].every((branch) => namesTenant(collection, branch));
  const key = fields["_id"];
  if (typeof key === "object" && key !== null && "tenant" in key) return isName(key.tenant);
  for (const operation of updates) if (operation in fields) return namesInBulk(collection, fields[operation] as Fields);
  return "insertOne" in fields && namesTenant(collection, (fields["insertOne"] as { document: unknown }).document);
}

/** Of an update that may insert, the row has to carry the tenant; its key then stands for the filter. */
function namesInBulk(collection: string, { filter, update, upsert }: Fields): boolean {
  if (upsert !== true || update === undefined) return namesTenant(collection, filter);
  const { $set, $setOnInsert } = update as { $set?: Fields; $setOnInsert?: Fields };
  const id = (filter as Fields)["_id"];
  const keyed = namesTenant(collection, filter) || (typeof id === "string" && id.includes("/"));
  return keyed && isName($setOnInsert?.["tenant_id"] ?? $set?.["tenant_id"]);
}

function isName(value: unknown): boolean {
  return typeof value === "string" && value !== "";
}

/** An erasure looks for rows under the tenant's keys that say they are another's. */
function isTenant(value: unknown): boolean {
  return isName(value) || (typeof value === "object" && value !== null && "$ne" in value && isName(value.$ne));
}
