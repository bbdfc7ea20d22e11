/** OpenAI's `/files`, `/fine_tuning/jobs`, `/models` and `/chat/completions`, in memory, over a real socket. Jobs run until they are told to end. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface StubJob {
  readonly id: string;
  readonly model: string;
  readonly training_file: string;
  readonly hyperparameters?: unknown;
  status: "running" | "cancelling" | "succeeded" | "failed" | "cancelled";
  fine_tuned_model: string | null;
  /** Seconds since 1970. */
  readonly created_at: number;
  /** Told once the job has ended. */
  trained_tokens?: number | null;
}

export class StubFineTuningServer {
  /** All that were ever sent, by id; `deleted` names those that are gone. */
  readonly files = new Map<string, { readonly filename: string; readonly content: string; readonly created_at: number }>();
  readonly jobs: StubJob[] = [];
  readonly deleted = new Set<string>();
  readonly asked: string[] = [];
  /** The model of each chat, which is answered with its name. */
  readonly chats: string[] = [];
  /** Called before an answer, with `POST /files` and the like: throw to have the connection broken after the work was done. */
  beforeAnswer: (what: string) => void = () => undefined;
  /** Answered to everything, instead of doing it. */
  status: number | undefined;
  /** Takes its time to cancel a job, which may end in any way meanwhile. */
  cancelsLater = false;
  /** Sends the first page of a list whatever it is asked for. */
  ignoresAfter = false;
  #ids = 0;
  readonly #server = createServer((request, response) => void this.#serve(request, response));

  static async start(): Promise<StubFineTuningServer> {
    const stub = new StubFineTuningServer();
    await new Promise<void>((done) => stub.#server.listen(0, "127.0.0.1", done));
    return stub;
  }

  get baseUrl(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/v1`;
  }

  /** Contents of the files that are there. */
  get kept(): readonly string[] {
    return [...this.files].filter(([id]) => !this.deleted.has(id)).map(([, { content }]) => content);
  }

  end(job: StubJob, status: "succeeded" | "failed"): void {
    job.status = status;
    if (status === "succeeded") job.fine_tuned_model = `ft:${job.model}:${job.id}`;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((done) => this.#server.close(done));
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    const [address = "", search = ""] = (request.url ?? "").split("?");
    const path = decodeURIComponent(address).replace("/v1", "");
    const what = `${request.method ?? ""} ${path}`;
    this.asked.push(what);
    if (what === "POST /chat/completions") return this.#chat(response, JSON.parse(Buffer.concat(parts).toString()) as { model: string });
    const answer = this.status === undefined ? await this.#do(what, new URLSearchParams(this.ignoresAfter ? search.replace(/&?after=[^&]*/u, "") : search), Buffer.concat(parts), request.headers["content-type"] ?? "") : undefined;
    try {
      this.beforeAnswer(what);
    } catch {
      request.socket.destroy();
      return;
    }
    response.writeHead(this.status ?? (answer === undefined ? 404 : 200), { "content-type": "application/json" }).end(JSON.stringify(answer ?? { error: { message: "no" } }));
  }

  #chat(response: ServerResponse, { model }: { model: string }): void {
    this.chats.push(model);
    const frames = [{ choices: [{ delta: { content: `Thirty days [1], says ${model}.` } }] }, { choices: [{ delta: {}, finish_reason: "stop" }] }, { choices: [], usage: { prompt_tokens: 100, completion_tokens: 10 } }];
    response.writeHead(200, { "content-type": "text/event-stream" }).end(`${frames.map((frame) => `data: ${JSON.stringify(frame)}\n\n`).join("")}data: [DONE]\n\n`);
  }

  async #do(what: string, query: URLSearchParams, body: Buffer, type: string): Promise<object | undefined> {
    const id = what.split("/")[2] ?? "";
    if (what === "POST /files") return this.#keep(await new Response(body, { headers: { "content-type": type } }).formData());
    if (what === "GET /files") return newestFirst([...this.files].filter(([file]) => !this.deleted.has(file)).map(([file, { filename, created_at: at }]) => ({ id: file, filename, created_at: at })), query);
    if (what.startsWith("DELETE /files/")) return this.#remove(id, this.files.has(id));
    if (what.startsWith("DELETE /models/")) return this.#remove(what.slice("DELETE /models/".length), this.jobs.some((job) => what.endsWith(job.fine_tuned_model ?? "none")));
    if (what === "GET /fine_tuning/jobs") return newestFirst(this.jobs, query);
    if (what === "POST /fine_tuning/jobs") return this.#start(JSON.parse(body.toString()) as Pick<StubJob, "model" | "training_file" | "hyperparameters">);
    const job = this.jobs.find((known) => known.id === what.split("/")[3]);
    if (job !== undefined && what.endsWith("/cancel") && job.status === "running") job.status = this.cancelsLater ? "cancelling" : "cancelled";
    return job;
  }

  async #keep(form: FormData): Promise<object> {
    const file = form.get("file") as File;
    const id = `file-${(this.#ids += 1)}`;
    this.files.set(id, { filename: file.name, content: await file.text(), created_at: nowSeconds() });
    return { id, filename: file.name };
  }

  #start({ model, training_file: file, hyperparameters }: Pick<StubJob, "model" | "training_file" | "hyperparameters">): StubJob {
    const job: StubJob = { id: `ftjob-${(this.#ids += 1)}`, model, training_file: file, hyperparameters, status: "running", fine_tuned_model: null, created_at: nowSeconds() };
    this.jobs.push(job);
    return job;
  }

  #remove(id: string, exists: boolean): object | undefined {
    if (!exists || this.deleted.has(id)) return undefined;
    this.deleted.add(id);
    return { id, deleted: true };
  }
}

function nowSeconds(): number {
  return Math.floor(Date.now() / 1_000);
}

/** One page as OpenAI sends it. */
function newestFirst<Item extends { readonly id: string }>(items: readonly Item[], query: URLSearchParams): { readonly data: readonly Item[]; readonly has_more: boolean } {
  const rows = items.toReversed();
  const from = rows.findIndex(({ id }) => id === query.get("after")) + 1;
  const until = from + Number(query.get("limit") ?? 20);
  return { data: rows.slice(from, until), has_more: until < rows.length };
}
