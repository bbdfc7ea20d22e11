/** A place in another tenant's list, given as a place in one's own. */
import type { Probe, ProbeTenant } from "../probe.js";
import type { ProbeOperation } from "../schema/probe-documents.js";
import { nestedFields, probedArguments, type NestedField, type ProbedArgument } from "../schema/probed-arguments.js";
import { comesThrough } from "./compare.js";
import { fieldName, nameOf, pick } from "./foreign-ids.js";

const kindsOfParents: Readonly<Record<string, "conversation" | "document" | "adapter">> = { Conversation: "conversation", Document: "document", Adapter: "adapter" };

export type CursorAttack = (attacker: ProbeTenant, victim: ProbeTenant) => Promise<void>;

/** One attack for each argument that takes a cursor, found in the schema; what cannot be reached is told as uncovered. */
export function cursorAttacks(probe: Probe): readonly CursorAttack[] {
  const roots = probedArguments(probe.executor.schema).filter(({ leaf }) => leaf === "CURSOR").map((argument) => rootAttack(probe, argument));
  const nested = nestedFields(probe.executor.schema).flatMap((field) => field.leaves.filter(({ leaf }) => leaf === "CURSOR").map(({ path }) => nestedAttack(probe, field, path)));
  return [...roots, ...nested].filter((attack) => attack !== undefined);
}

function rootAttack(probe: Probe, argument: ProbedArgument): CursorAttack {
  const name = nameOf(argument);
  return async (attacker, victim) => {
    const cursor = (await cursorsOf(probe, victim, probe.documents.of(argument.operation, [{ field: argument.field, path: ["first"], value: 1 }]), name)) ?? (await cursorsOf(probe, victim, { document: probe.documents.parse("{ documents(first: 1) { pageInfo { endCursor } } }"), variables: {} }, name));
    if (cursor === undefined) return probe.evidence.uncovered(fieldName(argument), `(${argument.path.join(".")})`, "the victim has no cursor");
    const operation = probe.documents.of(argument.operation, [{ field: argument.field, path: argument.path, value: cursor }]);
    if ((await comesThrough(probe, fieldName(argument), async () => [await probe.run(attacker.caller, operation, "cursors", name)])) === false) return;
    probe.evidence.probed("cursors");
    probe.evidence.covered(fieldName(argument));
  };
}

function nestedAttack(probe: Probe, { parent, field }: NestedField, path: readonly string[]): CursorAttack | undefined {
  const name = `${parent}.${field}(${path.join(".")})`;
  const kind = kindsOfParents[parent];
  if (kind === undefined || path.length !== 1 || probe.documents.nested(parent, field, path[0] ?? "", "", null) === undefined) {
    probe.evidence.uncovered(`${parent}.${field}`, `(${path.join(".")})`, "no query leads to it by an id that was planted");
    return undefined;
  }
  const at = (id: string, argument: string, value: unknown): ProbeOperation => probe.documents.nested(parent, field, argument, id, value) as ProbeOperation;
  return async (attacker, victim) => {
    let cursor: string | undefined;
    // One of them may hold nothing, and a list of nothing has no cursor.
    for (const id of victim.ids[kind]) cursor ??= await cursorsOf(probe, victim, at(id, "first", 1), name);
    if (cursor === undefined) return probe.evidence.uncovered(`${parent}.${field}`, `(${path.join(".")})`, "the victim has no cursor");
    if ((await comesThrough(probe, `${parent}.${field}`, async () => [await probe.run(attacker.caller, at(pick(attacker.ids[kind]) ?? "", path[0] ?? "", cursor), "cursors", name)])) === false) return;
    probe.evidence.probed("cursors");
    probe.evidence.covered(`${parent}.${field}`);
  };
}

/** The victim's own place in its own list, as its own client has it. */
async function cursorsOf(probe: Probe, victim: ProbeTenant, operation: ProbeOperation, name: string): Promise<string | undefined> {
  const answer = await probe.run(victim.caller, operation, "cursors", name);
  return /"endCursor":"([^"]+)"/.exec(answer.text)?.[1];
}
