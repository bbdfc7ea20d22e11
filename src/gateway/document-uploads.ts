import type { IncomingMessage, ServerResponse } from "node:http";
import { ClientGone } from "../kernel/client-gone.js";
import { Deadline } from "../kernel/deadline.js";
import { BulkheadError, internal } from "../kernel/errors.js";
import type { Telemetry } from "../kernel/telemetry.js";
import { maskError, meantError } from "../graphql/mask-errors.js";
import { fieldRules, verdictOf } from "../graphql/permissions.js";
import { asTenant, type TenantRequest } from "../graphql/request-context.js";
import type { IngestInput } from "../graphql/services.js";
import { authenticate } from "./authenticate.js";
import type { RequestOpener } from "./open-request.js";
import type { OperationGate } from "./operation-gate.js";
import { readBytes } from "./read-body.js";
import { callerName, servedBy, type RequestNote } from "./request-note.js";
import { TenantShares } from "./tenant-shares.js";
import type { TokenVerifier } from "./token-verifier.js";
import { readUpload } from "./upload-form.js";

export interface UploadParts {
  readonly verifier: TokenVerifier;
  readonly opener: RequestOpener;
  readonly gate: Pick<OperationGate, "admitRequests">;
  readonly telemetry: Telemetry;
  readonly requestDeadlineMs: number;
}

/** A body is held in memory until it is stored: 16 of these are half a gigabyte. */
const uploadBytesMax = 32 * 1_048_576;
const uploadsMax = 16;
const uploadsPerTenantMax = 2;

/**
 * `POST /documents`: files, for whoever has one. The token, the rule, the price and the limits of the
 * mutation `ingestDocument` hold; the answer has the shape of GraphQL's, an error for each file that was
 * not taken.
 */
export class DocumentUploads {
  readonly #shares = new TenantShares("openUploads", uploadsPerTenantMax);
  #open = 0;

  constructor(private readonly parts: UploadParts) {}

  async serve(request: IncomingMessage, response: ServerResponse, note: RequestNote): Promise<void> {
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
    const verdict = verdictOf(fieldRules["Mutation"]?.["ingestDocument"], context);
    if (verdict !== true) throw verdict;
    const release = this.#take(() => this.#shares.take(caller));
    try {
      const tenant = asTenant(context);
      // One before the body is read: a form that turns out to be none has cost its reading. The rest all or none.
      await this.parts.gate.admitRequests(tenant, 1);
      clock.enter("receive");
      const inputs = await this.#read(request, tenant);
      clock.enter("admission");
      if (inputs.length > 1) await this.parts.gate.admitRequests(tenant, inputs.length - 1);
      clock.enter("store");
      const answer = await this.#accept(tenant, inputs);
      clock.enter("send");
      response.writeHead(200, { "content-type": "application/json; charset=utf-8", "cache-control": "no-store" }).end(`${JSON.stringify(answer)}\n`);
    } finally {
      release();
    }
  }

  /** A place for the body. Throws `OVERLOADED` when all tenants together hold too many, `RATE_LIMITED` when this one does. */
  #take(takeShare: () => () => void): () => void {
    if (this.#open >= uploadsMax) throw new BulkheadError("OVERLOADED", "Too many files are being uploaded", { limit: "openUploads", retryAfterMs: 1_000 });
    const giveBack = takeShare();
    this.#open += 1;
    return () => {
      this.#open -= 1;
      giveBack();
    };
  }

  async #read(request: IncomingMessage, { tenant }: TenantRequest): Promise<readonly IngestInput[]> {
    const contentType = request.headers["content-type"];
    const isForm = /^multipart\//i.test(contentType ?? "");
    const url = request.url ?? "";
    const query = new URLSearchParams(url.includes("?") ? url.slice(url.indexOf("?") + 1) : "");
    const body = await readBytes(request, isForm ? uploadBytesMax : Math.min(uploadBytesMax, tenant.policy.maxDocumentBytes));
    return readUpload(body, { contentType, query });
  }

  /** One after another: a tenant's files share its turns at the reader anyway, and memory stays that of one. */
  async #accept({ services, tenant, deadline, requestId }: TenantRequest, inputs: readonly IngestInput[]): Promise<object> {
    const documents: (object | null)[] = [];
    const errors: object[] = [];
    for (const [at, input] of inputs.entries()) {
      try {
        const { id, title, state, mediaType, bytes } = await services.ingestion.accept(tenant, deadline, input);
        documents.push({ id, title, state, mediaType, bytes });
      } catch (error) {
        documents.push(null);
        errors.push(this.#masked(error, at, requestId));
      }
    }
    return { data: { documents }, ...(errors.length === 0 ? {} : { errors }) };
  }

  #masked(error: unknown, at: number, requestId: string): object {
    const meant = meantError(error) ?? internal("Unexpected error", error);
    const { message, extensions } = maskError(meant);
    if (meant.code === "INTERNAL") this.parts.telemetry.log("error", "Unexpected error", { requestId, err: error });
    return { message, path: ["documents", at], extensions: { ...extensions, ...(meant.code === "INTERNAL" ? { requestId } : {}) } };
  }
}
