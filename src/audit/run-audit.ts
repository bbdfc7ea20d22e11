/**
 * The course of one audit: clean, plant, attack every way at least once, go on with random attacks for
 * as long as was asked, and look whether everybody still has what is theirs.
 */
import { AuditHindered, clean, plant, recall } from "./plant.js";
import type { Probe, ProbeTenant } from "./probe.js";
import type { ReadyTenant } from "./probe-directory.js";
import { cursorAttacks, type CursorAttack } from "./attacks/cursors.js";
import { attackableIds, attackId, attackLoader, attackWeights, nameOf, pick, Timings } from "./attacks/foreign-ids.js";
import { allObjects, injectable, injectObject, injectText, takesText } from "./attacks/injections.js";
import { askAsTheVictim, resumeAsTheVictim, searchAsTheVictim } from "./attacks/known-answers.js";
import { attackListing, listings } from "./attacks/listings.js";
import { compareLedgers, compareStatistics } from "./attacks/sums.js";
import type { ObjectKind, ProbedArgument } from "./schema/probed-arguments.js";

export interface AuditOrder {
  readonly id: string;
  /** At least so many; the first round, which tries everything once, is never cut. */
  readonly probes: number;
  readonly tenants: readonly ReadyTenant[];
}

/** Ids of one operation: enough for loaders to batch, few enough for the limits of a document. */
const aliasesMax = 20;
/** A field that takes longer is left to the first round: it searches or asks a model, and customers wait behind it. */
const cheapMsMax = 8;
/** Attacks at one time in the second round. */
const abreast = 4;

type IdArgument = ProbedArgument & { readonly kind: ObjectKind };

export async function runAudit(probe: Probe, order: AuditOrder): Promise<void> {
  const planted = await plantAll(probe, order);
  // Before an attack has added a document to one of them.
  await compareStatistics(probe, planted);
  const plantedAt = new Date();
  const pairs = planted.flatMap((attacker) => planted.filter((victim) => victim !== attacker).map((victim) => ({ attacker, victim })));
  const timings = new Timings();
  const bare = listings(probe);
  const ids = attackableIds(probe, planted);
  const cursors = cursorAttacks(probe);
  for (const { attacker, victim } of pairs) {
    await probe.inTurn(attacker.caller.tenantId, () => everythingOnce(probe, { attacker, victim, ids, cursors, bare, timings }));
  }
  await injectOnce(probe, planted);
  await goOn(probe, { planted, ids, cursors, bare, timings, until: order.probes });
  await compareLedgers(probe, planted, plantedAt);
  for (const { name, foreignMs, missingMs } of timings.apart()) probe.evidence.leaked("timing", name, `A foreign id takes ${foreignMs.toFixed(2)} ms and a missing one ${missingMs.toFixed(2)} ms`);
  probe.evidence.looked("timing", timings.size);
  for (const tenant of planted) await recall(probe, tenant);
  for (const { caller } of planted) await clean(probe, caller.tenantId, caller.userId);
}

async function plantAll(probe: Probe, { id, tenants }: AuditOrder): Promise<readonly ProbeTenant[]> {
  const planted: ProbeTenant[] = [];
  for (const { tenantId, moves } of tenants) {
    await probe.inTurn(tenantId, async () => {
      await clean(probe, tenantId, "cleaner");
      planted.push(await plant(probe, tenantId, { moves, report: id }));
    });
  }
  if (planted.length < 2) throw new AuditHindered("Fewer than two tenants were planted");
  return planted;
}

interface Round {
  readonly attacker: ProbeTenant;
  readonly victim: ProbeTenant;
  readonly ids: readonly IdArgument[];
  readonly cursors: readonly CursorAttack[];
  readonly bare: readonly string[];
  readonly timings: Timings;
}

async function everythingOnce(probe: Probe, { attacker, victim, ids, cursors, bare, timings }: Round): Promise<void> {
  for (const field of bare) await attackListing(probe, field, attacker);
  for (const argument of ids) await attackId(probe, argument, attacker, victim, timings);
  // Not left to the dice: a loader that mixes tenants is met by every audit, however short.
  for (const argument of ids) if (argument.operation === "query") await attackLoader(probe, argument, attacker, [victim], aliasesMax);
  for (const attack of cursors) await attack(attacker, victim);
  for (const mode of ["VECTOR", "TEXT", "HYBRID"] as const) await searchAsTheVictim(probe, attacker, victim, mode);
  // Before the attacker has an answer of its own to this question.
  await askAsTheVictim(probe, attacker, victim);
  await resumeAsTheVictim(probe, attacker, victim);
  await attackWeights(probe, attacker, victim);
}

/** Values of a false form everywhere, each way once; texts where a text is taken, since some of those cost an answer or leave a row. */
async function injectOnce(probe: Probe, planted: readonly ProbeTenant[]): Promise<void> {
  for (const argument of injectable(probe)) {
    const [attacker, victim] = twoOf(planted);
    await probe.inTurn(attacker.caller.tenantId, async () => {
      for (const value of allObjects(victim)) await injectObject(probe, argument, attacker, victim, value);
      if (takesText(argument)) await injectText(probe, argument, attacker, victim);
    });
  }
}

async function goOn(probe: Probe, { planted, ids, cursors, bare, timings, until }: { planted: readonly ProbeTenant[]; until: number } & Omit<Round, "attacker" | "victim">): Promise<void> {
  const isCheap = (argument: IdArgument): boolean => (timings.medianOf(nameOf(argument)) ?? Number.POSITIVE_INFINITY) <= cheapMsMax;
  const cheap = ids.filter((argument) => argument.operation !== "subscription" && isCheap(argument));
  const queried = cheap.filter(({ operation }) => operation === "query");
  const plain = injectable(probe).filter(({ operation }) => operation === "query");
  const texts = plain.filter((argument) => takesText(argument) && cheap.some(({ field }) => field === argument.field));
  const one = async (): Promise<void> => {
    const [attacker, victim] = twoOf(planted);
    const dice = Math.random();
    const argument = pick(queried);
    if (dice < 0.75 && argument !== undefined) return attackLoader(probe, argument, attacker, planted.filter((tenant) => tenant !== attacker), aliasesMax);
    if (dice < 0.84) return injectObject(probe, pick(plain) as ProbedArgument, attacker, victim);
    if (dice < 0.9 && texts.length > 0) return injectText(probe, pick(texts) as ProbedArgument, attacker, victim);
    if (dice < 0.94) return attackListing(probe, pick(bare) ?? "viewer", attacker);
    if (dice < 0.97) return pick(cursors)?.(attacker, victim);
    return attackId(probe, pick(cheap) as IdArgument, attacker, victim, timings);
  };
  // What is not let through is no probe: a server that refuses everything must still come to an end.
  let left = until;
  await Promise.all(Array.from({ length: abreast }, async () => {
    while (probe.evidence.probes < until && left-- > 0) await probe.inTurn(planted[0]?.caller.tenantId as ProbeTenant["caller"]["tenantId"], one);
  }));
}

function twoOf(planted: readonly ProbeTenant[]): [ProbeTenant, ProbeTenant] {
  const attacker = pick(planted) as ProbeTenant;
  return [attacker, pick(planted.filter((tenant) => tenant !== attacker)) as ProbeTenant];
}
