import { z } from "zod";
import { badUserInput } from "../kernel/errors.js";
import { parseTenantId, type TenantId } from "../kernel/ids.js";
import type { UsagePlace } from "../storage/control/usage-rows.js";

const cursorSchema = z.tuple([z.string(), z.int(), z.string().max(64)]);

/** Where a run that was too long for its request goes on. */
export function printRerateCursor(tenantId: TenantId, { at, id }: UsagePlace): string {
  return Buffer.from(JSON.stringify([tenantId, at.getTime(), id])).toString("base64url");
}

/** Throws `BAD_USER_INPUT`. */
export function parseRerateCursor(text: string): UsagePlace & { readonly tenantId: TenantId } {
  const parsed = cursorSchema.safeParse(jsonOf(text));
  if (!parsed.success) throw badUserInput("after", "no cursor", "`next` of the call before");
  const [tenantId, at, id] = parsed.data;
  return { tenantId: parseTenantId(tenantId), at: new Date(at), id };
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(Buffer.from(text, "base64url").toString("utf8"));
  } catch {
    // Told from a cursor by its form, like everything else that is none.
    return undefined;
  }
}
