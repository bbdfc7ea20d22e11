import { badUserInput, limitExceeded } from "../../kernel/errors.js";
import { parseTenantId, type TenantId } from "../../kernel/ids.js";

/** MongoDB's own bound, and that of Atlas's Free and Flex clusters. */
const bytesMaxOfMongo = 63;
const bytesMaxOfAtlas = 38;

/**
 * Prefix, tenant and epoch between underscores, which none of them contains: no two silos, past or
 * present, share a name. Throws `LIMIT_EXCEEDED` when the cluster does not take one this long.
 */
export function siloName(prefix: string, tenantId: TenantId, epoch: number, onAtlas: boolean): string {
  const name = `${prefix}_${tenantId}_${epoch}`;
  const bytes = Buffer.byteLength(name);
  const bytesMax = onAtlas ? bytesMaxOfAtlas : bytesMaxOfMongo;
  if (bytes > bytesMax) throw limitExceeded("databaseNameBytes", `${name} of ${bytes} bytes`, `at most ${bytesMax}: a shorter MONGODB_DATABASE or tenant id`);
  return name;
}

/** Whose silo it is. Throws `BAD_USER_INPUT` for a database of another installation. */
export function ownerOfSilo(database: string, prefix: string): TenantId {
  const [head, tenant, epoch, ...more] = database.split("_");
  if (head !== prefix || epoch === undefined || more.length > 0) throw badUserInput("MONGODB_DATABASE", JSON.stringify(prefix), `the prefix that the silo ${database} was made with`);
  return parseTenantId(tenant);
}
