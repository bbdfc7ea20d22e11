/** Everything a caller is shown without asking for an id. */
import { isNonNullType } from "graphql";
import type { Probe, ProbeTenant } from "../probe.js";
import { comesThrough } from "./compare.js";
import { rootsOf } from "../schema/probed-arguments.js";

/** All root fields are noted here, so that one which no attack knows how to ask is reported. */
export function listings(probe: Probe): readonly string[] {
  const bare: string[] = [];
  for (const { operation, type } of rootsOf(probe.executor.schema)) {
    for (const field of Object.values(type.getFields())) {
      probe.evidence.field(`${type.name}.${field.name}`);
      if (operation === "query" && field.args.every((argument) => !isNonNullType(argument.type))) bare.push(field.name);
    }
  }
  return bare;
}

export async function attackListing(probe: Probe, field: string, attacker: ProbeTenant): Promise<void> {
  const operation = probe.documents.of("query", [{ field, path: [], value: undefined }]);
  if ((await comesThrough(probe, `Query.${field}`, async () => [await probe.run(attacker.caller, operation, "lists", `Query.${field}`)])) === false) return;
  probe.evidence.probed("lists");
  probe.evidence.covered(`Query.${field}`);
}
