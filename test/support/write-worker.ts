/** A server as a process of its own that stops itself in the middle of a write. Told what to do by test/proof/move-stopped.test.ts. */
import { ClientSession, Collection } from "mongodb";
import { Deadline } from "../../src/kernel/deadline.js";
import type { DocumentId } from "../../src/kernel/ids.js";
import { newDocument } from "./homes.js";
import { MoveServer } from "./move-server.js";
import { policies } from "./tenants.js";

export type StopAt = "BEFORE_FENCE" | "AFTER_FENCE" | "BEFORE_COMMIT";

export interface WriteErrand {
  readonly tenant: string;
  readonly documentId: DocumentId;
  readonly title: string;
  readonly stopAt: StopAt;
  readonly deadlineMs: number;
}

export type WriteNews = "READY" | "STOPPING" | { readonly outcome: "DONE" } | { readonly outcome: "FAILED"; readonly code: string };

const [uri = "", serverId = ""] = process.argv.slice(2);
const server = await MoveServer.start(uri, serverId);

const tell = (news: WriteNews): Promise<void> => new Promise((done) => process.send?.(news, undefined, undefined, () => done()));
let armed: StopAt | undefined;

/** Once, and only in the write that is to be stopped. */
async function stopAt(place: StopAt): Promise<void> {
  if (armed !== place) return;
  armed = undefined;
  await tell("STOPPING");
  process.kill(process.pid, "SIGSTOP");
}

// The driver's own functions, so that the product's code runs as it is: the fence is taken by this one alone.
const take = Collection.prototype.findOneAndUpdate;
Collection.prototype.findOneAndUpdate = async function stopping(this: Collection, ...given: Parameters<typeof take>): Promise<unknown> {
  const isFence = this.collectionName === "fences";
  if (isFence) await stopAt("BEFORE_FENCE");
  const taken: unknown = await Reflect.apply(take, this, given);
  if (isFence) await stopAt("AFTER_FENCE");
  return taken;
} as typeof take;
const commit = ClientSession.prototype.commitTransaction;
ClientSession.prototype.commitTransaction = async function stopping(this: ClientSession, ...given: Parameters<typeof commit>): Promise<void> {
  await stopAt("BEFORE_COMMIT");
  await Reflect.apply(commit, this, given);
};

process.on("message", (message) => {
  void write(message as WriteErrand).then(tell);
});
await tell("READY");

async function write(errand: WriteErrand): Promise<WriteNews> {
  const deadline = Deadline.after(errand.deadlineMs);
  const context = await server.context(errand.tenant);
  try {
    // Its stripe is made by an earlier write, as of a server that has long been at work.
    await server.router.write(context, deadline, (store) => store.documents.retry("doc_none" as DocumentId)).catch(() => undefined);
    armed = errand.stopAt;
    await server.router.write(context, deadline, (store) => store.documents.add(newDocument({ id: errand.documentId, title: errand.title }), policies.ENTERPRISE));
    return { outcome: "DONE" };
  } catch (error) {
    return { outcome: "FAILED", code: (error as { code?: string }).code ?? String(error) };
  } finally {
    deadline.dispose();
  }
}
