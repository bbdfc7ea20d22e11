import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { ClientGone } from "../kernel/client-gone.js";
import { Deadline } from "../kernel/deadline.js";
import { BulkheadError, notFound } from "../kernel/errors.js";
import { isWellFormedId, type AdapterId } from "../kernel/ids.js";
import { fieldRules, verdictOf } from "../graphql/permissions.js";
import { asTenant, type TenantRequest } from "../graphql/request-context.js";
import { authenticate } from "./authenticate.js";
import type { UploadParts } from "./document-uploads.js";
import { readBytes } from "./read-body.js";
import { callerName, servedBy, type RequestNote } from "./request-note.js";
import { TenantShares } from "./tenant-shares.js";

/** LoRA weights of a model of 7 billion parameters at rank 16 are about 30 MB. */
const weightsBytesMax = 32 * 1_048_576;
/** A file is held in memory while it is stored or sent: four of these are 128 MB. */
const filesMax = 4;

const weightsPath = /^\/adapters\/([A-Za-z0-9_-]{1,64})\/weights$/u;

/**
 * `POST /adapters?name=…&baseModel=…`: a file of weights becomes an adapter of the tenant. `GET
 * /adapters/{id}/weights` gives it back to an admin of that tenant and to nobody else. Token, rule and
 * price are those of the mutation `trainAdapter`.
 */
export class AdapterWeights {
  readonly #shares = new TenantShares("openWeights", 1);
  #open = 0;

  constructor(private readonly parts: Omit<UploadParts, "telemetry">) {}

  static isPath(path: string): boolean {
    return path === "/adapters" || weightsPath.test(path);
  }

  async serve(path: string, request: IncomingMessage, response: ServerResponse, note: RequestNote): Promise<void> {
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
    const verdict = verdictOf(fieldRules["Mutation"]?.["trainAdapter"], context);
    if (verdict !== true) throw verdict;
    if (this.#open >= filesMax) throw new BulkheadError("OVERLOADED", "Too many files of weights are on their way", { limit: "openWeights", retryAfterMs: 1_000 });
    const giveBack = this.#shares.take(caller);
    this.#open += 1;
    try {
      const tenant = asTenant(context);
      await this.parts.gate.admitRequests(tenant, 1);
      await (path === "/adapters" ? this.#import(tenant, request, response) : this.#export(tenant, path, response));
    } finally {
      this.#open -= 1;
      giveBack();
    }
  }

  async #import({ services, tenant, deadline }: TenantRequest, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = request.url ?? "";
    const query = new URLSearchParams(url.includes("?") ? url.slice(url.indexOf("?") + 1) : "");
    deadline.clock.enter("receive");
    const file = await readBytes(request, weightsBytesMax);
    deadline.clock.enter("store");
    const row = await services.adapterFiles.import(tenant, deadline, { name: query.get("name") ?? "", baseModel: query.get("baseModel") ?? "", file });
    deadline.clock.enter("send");
    const { id, name, baseModel, state, weights } = row;
    response.writeHead(200, { "content-type": "application/json; charset=utf-8", "cache-control": "no-store" }).end(`${JSON.stringify({ data: { adapter: { id, name, baseModel, state, weights } } })}\n`);
  }

  async #export({ services, tenant, deadline }: TenantRequest, path: string, response: ServerResponse): Promise<void> {
    const [, id = ""] = weightsPath.exec(path) ?? [];
    if (!isWellFormedId("adapter", id)) throw notFound("Adapter");
    deadline.clock.enter("store");
    const file = await services.adapterFiles.export(tenant, deadline, id as AdapterId);
    deadline.clock.enter("send");
    // A browser must neither show nor keep what came from a tenant.
    response.writeHead(200, { "content-type": "application/octet-stream", "content-length": file.length, "content-disposition": "attachment", "cache-control": "no-store" }).end(file);
    // The file is held until it has been read: who reads nothing keeps this place and no second one, and not for ever.
    const cut = (): void => void response.destroy();
    if (deadline.signal.aborted) cut();
    deadline.signal.addEventListener("abort", cut, { once: true });
    if (!response.closed) await once(response, "close");
  }
}
