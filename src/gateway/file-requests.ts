import type { IncomingMessage, ServerResponse } from "node:http";
import { ClientGone } from "../kernel/client-gone.js";
import { Deadline } from "../kernel/deadline.js";
import { BulkheadError } from "../kernel/errors.js";
import { fieldRules, verdictOf } from "../graphql/permissions.js";
import { asTenant, type TenantRequest } from "../graphql/request-context.js";
import { authenticate } from "./authenticate.js";
import type { RequestOpener } from "./open-request.js";
import type { OperationGate } from "./operation-gate.js";
import { callerName, servedBy, type RequestNote } from "./request-note.js";
import { TenantShares } from "./tenant-shares.js";
import type { TokenVerifier } from "./token-verifier.js";

export interface FileRequestParts {
  readonly verifier: TokenVerifier;
  readonly opener: RequestOpener;
  readonly gate: Pick<OperationGate, "admitRequests">;
  readonly requestDeadlineMs: number;
}

/** A file is held in memory while it is on its way: how many may be. */
export interface FilePlaces {
  /** As the caller is told it, such as `openUploads`. */
  readonly limit: string;
  readonly placesMax: number;
  readonly perTenantMax: number;
  /** Told where all tenants together hold too many. */
  readonly full: string;
}

/**
 * What every request that carries a file passes before the file: token, the rule of a mutation, a place
 * for the file, and the price of one request.
 */
export class FileRequests {
  readonly #shares: TenantShares;
  #open = 0;

  constructor(
    private readonly parts: FileRequestParts,
    private readonly mutation: string,
    private readonly places: FilePlaces,
  ) {
    this.#shares = new TenantShares(places.limit, places.perTenantMax);
  }

  /**
   * Runs the work with the caller's context; its place is kept until the work ends. Throws as the opening
   * of a request does, `OVERLOADED` when all tenants together hold too many files, `RATE_LIMITED` when this
   * one does.
   */
  async run(request: IncomingMessage, response: ServerResponse, note: RequestNote, work: (tenant: TenantRequest) => Promise<void>): Promise<void> {
    const { clock } = note;
    const deadline = Deadline.after(this.parts.requestDeadlineMs, clock);
    clock.enter("auth");
    response.once("close", () => {
      if (!response.writableFinished) deadline.abort(new ClientGone(false));
      deadline.dispose();
    });
    const caller = await authenticate(request.headers.authorization, this.parts.verifier);
    note.caller = callerName(caller);
    const context = await this.parts.opener.open(caller, note.requestId, deadline);
    note.served = servedBy(context);
    clock.enter("admission");
    const verdict = verdictOf(fieldRules["Mutation"]?.[this.mutation], context);
    if (verdict !== true) throw verdict;
    if (this.#open >= this.places.placesMax) throw new BulkheadError("OVERLOADED", this.places.full, { limit: this.places.limit, retryAfterMs: 1_000 });
    const giveBack = this.#shares.take(caller);
    this.#open += 1;
    try {
      const tenant = asTenant(context);
      // Before the file is read: one that turns out to be none has cost its reading.
      await this.parts.gate.admitRequests(tenant, 1);
      await work(tenant);
    } finally {
      this.#open -= 1;
      giveBack();
    }
  }
}

export function queryOf({ url = "" }: IncomingMessage): URLSearchParams {
  return new URLSearchParams(url.includes("?") ? url.slice(url.indexOf("?") + 1) : "");
}
