import type { Deadline } from "../kernel/deadline.js";
import { badUserInput, conflict } from "../kernel/errors.js";
import { parseTenantId, type TenantId } from "../kernel/ids.js";
import type { CorrectedCall, Correction, UsageCorrections, UsagePlace } from "../storage/control/usage-rows.js";
import type { PriceBook } from "./price-book.js";
import { parseRerateCursor, printRerateCursor } from "./rerate-cursor.js";

export interface RerateInput {
  /** Inclusive. */
  readonly from: Date;
  /** Exclusive. */
  readonly to: Date;
  /** All tenants when left out. From outside, and no tenant id until it has been parsed. */
  readonly tenantId?: unknown;
  /** Counts what would be corrected and writes nothing. */
  readonly dryRun?: boolean;
  /** `next` of the call before. */
  readonly after?: string;
}

export interface RerateResult {
  /** Calls that were looked at. */
  readonly calls: number;
  /** Those with another price now: each has one correcting row more. */
  readonly corrected: number;
  /** The sum of the differences. */
  readonly differenceMicroUsd: number;
  /** Where to go on, when the time was too short for all. */
  readonly next?: string;
}

interface Counts {
  calls: number;
  corrected: number;
  differenceMicroUsd: number;
}

const callsMax = 500;
/** Kept back from the deadline for the last page and its answer. */
const answerMs = 5_000;
/** Other runs that are first for calls of a page. Each such run has corrected them, so hardly anything is left the second time. */
const triesMax = 5;

/**
 * Prices calls anew with the book the server has now. Writes rows that correct, and edits none; a
 * call that has the price of the book already is left alone, so a run that is repeated, or stopped
 * and begun again, changes nothing twice.
 */
export class RerateUsage {
  constructor(
    private readonly corrections: UsageCorrections,
    private readonly prices: PriceBook,
    /** Told of a tenant with corrections, also with those of a run before that was cut: whoever keeps sums of its rows has them anew. */
    private readonly onCorrected: (tenantId: TenantId) => Promise<void> = async () => {},
  ) {}

  /** Throws `BAD_USER_INPUT`. */
  async run({ from, to, tenantId, dryRun = false, after }: RerateInput, deadline: Deadline): Promise<RerateResult> {
    if (!(from < to)) throw badUserInput("from", String(from), "a time before to");
    const result = { calls: 0, corrected: 0, differenceMicroUsd: 0 };
    const begin = after === undefined ? undefined : parseRerateCursor(after);
    const tenants = tenantId === undefined ? await this.corrections.tenants() : [parseTenantId(tenantId)];
    for (const tenant of tenants.filter((candidate) => begin === undefined || candidate >= begin.tenantId)) {
      const next = await this.#tenant(tenant, { from, to }, begin?.tenantId === tenant ? begin : undefined, dryRun, result, deadline);
      if (next !== undefined) return { ...result, next };
    }
    return result;
  }

  /** Gives where to go on when the time was too short. */
  async #tenant(tenant: TenantId, span: { from: Date; to: Date }, begin: UsagePlace | undefined, dryRun: boolean, result: Counts, deadline: Deadline): Promise<string | undefined> {
    let place = begin;
    const correctedBefore = result.corrected;
    let isCorrected = false;
    try {
      for (;;) {
        deadline.throwIfOver();
        if (deadline.remainingMs() < answerMs) return printRerateCursor(tenant, place ?? { at: span.from, id: "" });
        const page = await this.#page(tenant, span, place, dryRun, result);
        isCorrected ||= page.isCorrected;
        if (page.last === undefined) return undefined;
        place = page.last;
      }
    } finally {
      if (!dryRun && (isCorrected || result.corrected > correctedBefore)) await this.onCorrected(tenant);
    }
  }

  /** Gives where the page ended, undefined when it was the last, and whether any of its calls had been corrected before. */
  async #page(tenant: TenantId, span: { from: Date; to: Date }, after: UsagePlace | undefined, dryRun: boolean, result: Counts): Promise<{ readonly last: UsagePlace | undefined; readonly isCorrected: boolean }> {
    for (let tries = 1; ; tries += 1) {
      const calls = await this.corrections.page(tenant, span, after, callsMax);
      const due = calls.flatMap((call) => this.#correctionOf(call) ?? []);
      const written = dryRun ? due : await this.corrections.correct(due);
      result.corrected += written.length;
      for (const { differenceMicroUsd } of written) result.differenceMicroUsd += differenceMicroUsd;
      if (written.length === due.length) {
        result.calls += calls.length;
        const last = calls.at(-1)?.row;
        return { last: last === undefined || calls.length < callsMax ? undefined : { at: last.at, id: last.id }, isCorrected: calls.some(({ corrections }) => corrections > 0) };
      }
      if (tries === triesMax) throw conflict("Other runs correct the same calls all the time");
    }
  }

  #correctionOf(call: CorrectedCall): Correction | undefined {
    const { row } = call;
    const price = this.prices.price(row.kind, row.model, row, row.at);
    const differenceMicroUsd = price.costMicroUsd - call.costMicroUsd;
    return price.priceVersion === call.priceVersion || differenceMicroUsd === 0 ? undefined : { call, priceVersion: price.priceVersion, differenceMicroUsd };
  }
}
