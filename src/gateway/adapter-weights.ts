import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { notFound } from "../kernel/errors.js";
import { isWellFormedId, type AdapterId } from "../kernel/ids.js";
import type { TenantRequest } from "../graphql/request-context.js";
import { FileRequests, queryOf, type FileRequestParts } from "./file-requests.js";
import { readBytes } from "./read-body.js";
import type { RequestNote } from "./request-note.js";

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
  readonly #requests: FileRequests;

  constructor(parts: FileRequestParts) {
    this.#requests = new FileRequests(parts, "trainAdapter", { limit: "openWeights", placesMax: filesMax, perTenantMax: 1, full: "Too many files of weights are on their way" });
  }

  static isPath(path: string): boolean {
    return path === "/adapters" || weightsPath.test(path);
  }

  serve(path: string, request: IncomingMessage, response: ServerResponse, note: RequestNote): Promise<void> {
    return this.#requests.run(request, response, note, (tenant) => (path === "/adapters" ? this.#import(tenant, request, response) : this.#export(tenant, path, response)));
  }

  async #import({ services, tenant, deadline }: TenantRequest, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const query = queryOf(request);
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
