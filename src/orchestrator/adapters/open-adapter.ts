import { openTenantModel, type TenantModel } from "../../inference/tenant-model.js";
import type { Deadline } from "../../kernel/deadline.js";
import { untilAborted } from "../../metering/until-aborted.js";
import type { TenantRouter } from "../../routing/tenant-router.js";
import type { TenantContext } from "../../tenancy/tenant-context.js";
import type { AskInput } from "../answer-event.js";

/** The adapter that a question names, read anew for each question: one that was deleted a moment ago answers nothing. Throws as `openTenantModel`. */
export async function openAdapter(router: Pick<TenantRouter, "read">, context: TenantContext, deadline: Deadline, { adapterId }: Pick<AskInput, "adapterId">): Promise<TenantModel | undefined> {
  if (adapterId === undefined) return undefined;
  return untilAborted(router.read(context, deadline, (store) => openTenantModel(context, store, adapterId)), deadline.signal);
}
