/** Operators, patterns, paths and prototypes where a plain value is expected. */
import type { Probe, ProbeTenant } from "../probe.js";
import { probedArguments, type ProbedArgument } from "../schema/probed-arguments.js";
import { fieldName, nameOf, pick } from "./foreign-ids.js";

/** In the place of a scalar. Each would widen a filter if it reached one as it is. */
const objects: readonly ((victim: ProbeTenant) => unknown)[] = [
  () => ({ $ne: "" }),
  () => ({ $regex: ".*" }),
  () => ({ $exists: true }),
  ({ caller }) => ({ $in: [caller.tenantId] }),
  ({ caller }) => ({ tenant_id: caller.tenantId }),
  ({ caller }) => ({ "tenant_id.$ne": caller.tenantId }),
  () => ({ $where: "1" }),
  ({ ids }) => [ids.document[0], { $ne: "" }],
  () => JSON.parse('{"__proto__":{"tenant_id":"x"},"constructor":{"prototype":{}}}') as unknown,
];

/** As text: of another tenant's rows, or of a language that a store might understand. */
const texts: readonly ((victim: ProbeTenant) => string)[] = [
  () => '{"$ne":""}',
  () => ".*",
  ({ caller, ids }) => `${caller.tenantId}/${ids.document[0] ?? ""}`,
  ({ caller }) => `"}],"tenant_id":"${caller.tenantId}`,
  ({ caller }) => `$tenant_id ${caller.tenantId}`,
  () => "' || 1 == 1 || '",
  () => "tenant_id",
  ({ ids }) => `../${ids.conversation[0] ?? ""}`,
  () => "\u202e\u0000$ne",
];

/** Where a value of another form may be sent. Numbers and enums too: they are scalars of a filter like any other. */
export function injectable(probe: Probe): readonly ProbedArgument[] {
  return probedArguments(probe.executor.schema);
}

/** Refused by the schema's types, every one of them, before anything runs. */
export async function injectObject(probe: Probe, argument: ProbedArgument, attacker: ProbeTenant, victim: ProbeTenant, value = pick(objects)?.(victim)): Promise<void> {
  const name = nameOf(argument);
  const answer = await send(probe, argument, attacker, value, name);
  probe.evidence.probed("injection");
  probe.evidence.covered(fieldName(argument));
  if (answer.data !== null && answer.errors.length === 0) probe.evidence.leaked("injection", name, `${JSON.stringify(value)} was taken for a value`);
}

export async function injectText(probe: Probe, argument: ProbedArgument, attacker: ProbeTenant, victim: ProbeTenant, value = pick(texts)?.(victim) ?? ""): Promise<void> {
  await send(probe, argument, attacker, value, nameOf(argument));
  probe.evidence.probed("injection");
}

export function allObjects(victim: ProbeTenant): readonly unknown[] {
  return objects.map((make) => make(victim));
}

/** Takes a text as it is, so that one gets as far as a store. */
export function takesText({ leaf }: ProbedArgument): boolean {
  return leaf !== "PLAIN";
}

async function send(probe: Probe, argument: ProbedArgument, attacker: ProbeTenant, value: unknown, name: string) {
  const operation = probe.documents.of(argument.operation, [{ field: argument.field, path: argument.path, value }]);
  if (argument.operation !== "subscription") return probe.run(attacker.caller, operation, "injection", name);
  const [first] = await probe.stream(attacker.caller, operation, 1, streamMsMax, "injection", name);
  return first ?? { data: null, errors: [], text: "" };
}

const streamMsMax = 5_000;
