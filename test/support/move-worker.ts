/** A server's mover as a process of its own, driven to a point and killed or stopped there. Told what to do by `move-child.ts`. */
import type { MoveId } from "../../src/kernel/ids.js";
import { observeMsOf, travel, type Journey } from "./move-journeys.js";
import { MoveServer } from "./move-server.js";

export interface MoveErrand {
  readonly moveId: MoveId;
  readonly journey: Journey;
  /** Of the passage where `signal` is sent, by this process to itself. */
  readonly key: string;
  readonly signal: "SIGKILL" | "SIGSTOP";
}

export type MoveNews = "READY" | "REACHED" | "ENDED";

const [uri = "", serverId = ""] = process.argv.slice(2);
const server = await MoveServer.start(uri, serverId);

const tell = (news: MoveNews): Promise<void> => new Promise((done) => process.send?.(news, undefined, undefined, () => done()));
const hear = <T>(): Promise<T> => new Promise((done) => process.once("message", (message) => done(message as T)));

const errand = hear<MoveErrand>();
await tell("READY");
const { moveId, journey, key, signal } = await errand;
let reached = false;
const at = travel(
  journey,
  (request) => server.control.moves.request(moveId, request),
  async (passage) => {
    if (reached || passage.key !== key) return;
    reached = true;
    const go = hear<"GO">();
    await tell("REACHED");
    await go;
    process.kill(process.pid, signal);
  },
);
await server.mover({ observeMs: observeMsOf(journey), at }).drive(moveId);
await tell("ENDED");
await server.close();
process.disconnect();
