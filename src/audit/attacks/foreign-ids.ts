/** Every argument that takes an id, with ids of the right kind that are another tenant's. */
import { newId, type AdapterId, type IdKind } from "../../kernel/ids.js";
import type { Probe, ProbeTenant } from "../probe.js";
import type { ProbeAnswer } from "../probe-executor.js";
import { nestedFields, probedArguments, type ObjectKind, type ProbedArgument } from "../schema/probed-arguments.js";
import { comesThrough, comparable, reachedTheId } from "./compare.js";

const surfaces: Readonly<Record<ObjectKind, string>> = { document: "documents", passage: "passages", conversation: "conversations", message: "conversations", adapter: "adapters", move: "control plane", tenant: "control plane", report: "control plane" };
const idKinds: Readonly<Record<Exclude<ObjectKind, "tenant">, IdKind>> = { document: "document", passage: "chunk", conversation: "conversation", message: "message", adapter: "adapter", move: "move", report: "audit" };

/** A stream that is refused ends at once; on a machine that is busy not within milliseconds. */
const streamMsMax = 20_000;

export function nameOf({ operation, field, path }: Pick<ProbedArgument, "operation" | "field" | "path">): string {
  return `${fieldName({ operation, field })}(${path.join(".")})`;
}

export function fieldName({ operation, field }: Pick<ProbedArgument, "operation" | "field">): string {
  return `${operation[0]?.toUpperCase() ?? ""}${operation.slice(1)}.${field}`;
}

export function surfaceOf(argument: ProbedArgument): string {
  return argument.operation === "subscription" ? "streams" : argument.kind === undefined ? "unknown" : surfaces[argument.kind];
}

/** An id of this kind that nobody has. */
export function missingId(kind: ObjectKind): string {
  return kind === "tenant" ? `nobody-${Math.random().toString(36).slice(2, 10)}` : newId(idKinds[kind]);
}

/** How long each argument took for ids that exist elsewhere and for ids that do not, in ms. */
export class Timings {
  readonly #ms = new Map<string, { readonly foreign: number[]; readonly missing: number[] }>();

  add(name: string, foreign: number, missing: number): void {
    const known = this.#ms.get(name) ?? { foreign: [], missing: [] };
    known.foreign.push(foreign);
    known.missing.push(missing);
    this.#ms.set(name, known);
  }

  /** Arguments that were measured. */
  get size(): number {
    return this.#ms.size;
  }

  /** Of one execution, the median; undefined where nothing was measured. */
  medianOf(name: string): number | undefined {
    const known = this.#ms.get(name);
    return known === undefined ? undefined : median(known.missing);
  }

  /** Arguments whose answer takes so much longer, or so much less, for a foreign id that it tells them apart. */
  apart(): readonly { readonly name: string; readonly foreignMs: number; readonly missingMs: number }[] {
    return [...this.#ms].flatMap(([name, { foreign, missing }]) => {
      if (foreign.length < samplesMin) return [];
      const [foreignMs, missingMs] = [median(foreign), median(missing)];
      const ratio = Math.max(foreignMs, missingMs) / Math.max(Math.min(foreignMs, missingMs), 0.01);
      return ratio > ratioMax && Math.abs(foreignMs - missingMs) > differenceMsMin ? [{ name, foreignMs, missingMs }] : [];
    });
  }
}

/** Alternating in one run, so that a busy machine slows both; a second read of the database alone would double the time. */
const samplesMin = 40;
const ratioMax = 1.8;
const differenceMsMin = 1;

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}

/** Arguments with ids that this audit can attack; the others are told to the evidence as uncovered. */
export function attackableIds(probe: Probe, tenants: readonly ProbeTenant[]): readonly (ProbedArgument & { readonly kind: ObjectKind })[] {
  const { evidence } = probe;
  for (const { parent, field, leaves } of nestedFields(probe.executor.schema)) {
    for (const { path } of leaves.filter(({ leaf }) => leaf === "ID")) evidence.uncovered(`${parent}.${field}`, `(${path.join(".")})`, "an id below the roots is not attacked");
  }
  return probedArguments(probe.executor.schema).flatMap((argument) => {
    if (argument.leaf !== "ID") return [];
    const { kind } = argument;
    const at = `(${argument.path.join(".")})`;
    if (kind === undefined) {
      evidence.uncovered(fieldName(argument), at, "it is not known what this id names");
      return [];
    }
    // A move has to have been made, and a pool alone has none.
    if (tenants.every(({ ids }) => ids[kind].length === 0)) {
      evidence.uncovered(fieldName(argument), at, `no ${kind} was planted`);
      return [];
    }
    return [{ ...argument, kind }];
  });
}

/** The same question with a foreign id and with a missing one must have the same answer. */
export async function attackId(probe: Probe, argument: ProbedArgument & { readonly kind: ObjectKind }, attacker: ProbeTenant, victim: ProbeTenant, timings: Timings): Promise<void> {
  const { evidence } = probe;
  const foreign = pick(victim.ids[argument.kind]);
  if (foreign === undefined) return;
  const missing = missingId(argument.kind);
  const name = nameOf(argument);
  const surface = surfaceOf(argument);
  const ask = async (id: string): Promise<{ answer: ProbeAnswer; ms: number }> => {
    const operation = probe.documents.of(argument.operation, [{ field: argument.field, path: argument.path, value: id }]);
    const since = performance.now();
    if (argument.operation !== "subscription") return { answer: await probe.run(attacker.caller, operation, surface, name), ms: performance.now() - since };
    const [first] = await probe.stream(attacker.caller, operation, 1, streamMsMax, surface, name);
    return { answer: first ?? { data: null, errors: [], text: "nothing" }, ms: performance.now() - since };
  };
  evidence.probed(surface);
  evidence.looked("errors");
  // In either order: whoever goes second finds warm caches.
  const foreignFirst = Math.random() < 0.5;
  const early = await ask(foreignFirst ? foreign : missing);
  const late = await ask(foreignFirst ? missing : foreign);
  const [toForeign, toMissing] = foreignFirst ? [early, late] : [late, early];
  timings.add(name, toForeign.ms, toMissing.ms);
  if (comparable(toForeign.answer, foreign) !== comparable(toMissing.answer, missing)) evidence.leaked("errors", name, `A foreign ${argument.kind} and a missing one are answered differently`);
  if (reachedTheId(toMissing.answer)) evidence.covered(fieldName(argument));
  else evidence.uncovered(fieldName(argument), `(${argument.path.join(".")})`, `refused before the id was looked for: ${toMissing.answer.errors[0]?.code ?? "no answer"}`);
}

/** Many ids of one argument in one operation: own ones, foreign ones and missing ones meet in one loader. */
export async function attackLoader(probe: Probe, argument: ProbedArgument & { readonly kind: ObjectKind }, attacker: ProbeTenant, victims: readonly ProbeTenant[], aliases: number): Promise<void> {
  const { evidence } = probe;
  const name = nameOf(argument);
  const asked = Array.from({ length: aliases }, (_, at) => {
    if (at % 4 === 3) return { id: pick(attacker.ids[argument.kind]) ?? missingId(argument.kind), of: "OWN" as const };
    const id = at % 4 === 2 ? missingId(argument.kind) : pick(pick(victims)?.ids[argument.kind] ?? []);
    return id === undefined || at % 4 === 2 ? { id: id ?? missingId(argument.kind), of: "MISSING" as const } : { id, of: "FOREIGN" as const };
  });
  const operation = probe.documents.of(argument.operation, asked.map(({ id }) => ({ field: argument.field, path: argument.path, value: id })));
  // Where every id is refused for the same reason all answers are alike, and nothing was looked for.
  const through = await comesThrough(probe, fieldName(argument), async () => [await probe.run(attacker.caller, operation, "loaders", name)]);
  const answer = through === false ? undefined : through[0];
  if (answer === undefined) return;
  const errors = new Map(answer.errors.map((error) => [String(error.path?.[0]), error]));
  const said = asked.map(({ id }, at) => {
    const { path: _path, ...error } = errors.get(`a${at}`) ?? {};
    return `${JSON.stringify(answer.data?.[`a${at}`] ?? null)} ${JSON.stringify(error)}`.replaceAll(id, "ID").replaceAll(/req_[A-Za-z0-9_-]{20}/g, "req");
  });
  const plain = said[asked.findIndex(({ of }) => of === "MISSING")];
  asked.forEach(({ of }, at) => {
    if (of !== "FOREIGN") return;
    evidence.probed("loaders");
    if (said[at] !== plain) evidence.leaked("loaders", name, `A foreign ${argument.kind} among others is answered otherwise than a missing one`);
  });
}

/** The one path to a tenant's objects by an id that is not GraphQL. */
export async function attackWeights(probe: Probe, attacker: ProbeTenant, victim: ProbeTenant): Promise<void> {
  for (const id of victim.ids.adapter) {
    probe.evidence.probed("adapters");
    try {
      await probe.executor.exportWeights(attacker.caller, id as AdapterId);
      probe.evidence.leaked("adapters", "GET /adapters/ID/weights", `${attacker.caller.tenantId} was given a file of ${victim.caller.tenantId}`);
    } catch (error) {
      if (!isNotFound(error)) probe.evidence.leaked("adapters", "GET /adapters/ID/weights", "A foreign adapter is not answered like a missing one");
    }
  }
}

function isNotFound(error: unknown): boolean {
  return typeof error === "object" && error !== null && (error as { code?: unknown }).code === "NOT_FOUND";
}

export function pick<T>(from: readonly T[]): T | undefined {
  return from[Math.floor(Math.random() * from.length)];
}
