import type { IncomingMessage, ServerResponse } from "node:http";
import { internal } from "../kernel/errors.js";
import type { Telemetry } from "../kernel/telemetry.js";
import { maskError, meantError } from "../graphql/mask-errors.js";
import type { TenantRequest } from "../graphql/request-context.js";
import type { IngestInput } from "../graphql/services.js";
import { FileRequests, queryOf, type FileRequestParts } from "./file-requests.js";
import { readBytes } from "./read-body.js";
import type { RequestNote } from "./request-note.js";
import { readUpload } from "./upload-form.js";

export interface UploadParts extends FileRequestParts {
  readonly telemetry: Telemetry;
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
  readonly #requests: FileRequests;

  constructor(private readonly parts: UploadParts) {
    this.#requests = new FileRequests(parts, "ingestDocument", { limit: "openUploads", placesMax: uploadsMax, perTenantMax: uploadsPerTenantMax, full: "Too many files are being uploaded" });
  }

  serve(request: IncomingMessage, response: ServerResponse, note: RequestNote): Promise<void> {
    const { clock } = note;
    return this.#requests.run(request, response, note, async (tenant) => {
      clock.enter("receive");
      const inputs = await this.#read(request, tenant);
      clock.enter("admission");
      // The rest of a form's files all or none.
      if (inputs.length > 1) await this.parts.gate.admitRequests(tenant, inputs.length - 1);
      clock.enter("store");
      const answer = await this.#accept(tenant, inputs);
      clock.enter("send");
      response.writeHead(200, { "content-type": "application/json; charset=utf-8", "cache-control": "no-store" }).end(`${JSON.stringify(answer)}\n`);
    });
  }

  async #read(request: IncomingMessage, { tenant }: TenantRequest): Promise<readonly IngestInput[]> {
    const contentType = request.headers["content-type"];
    const isForm = /^multipart\//i.test(contentType ?? "");
    const body = await readBytes(request, isForm ? uploadBytesMax : Math.min(uploadBytesMax, tenant.policy.maxDocumentBytes));
    return readUpload(body, { contentType, query: queryOf(request) });
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
