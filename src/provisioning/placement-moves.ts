/** An operator's view of placement moves, and what may be asked of one that is under way. */
import { setTimeout as sleep } from "node:timers/promises";
import { conflict, notFound } from "../kernel/errors.js";
import { isWellFormedId, type MoveId } from "../kernel/ids.js";
import type { ControlPlane, PlacementMoveRow } from "../storage/control/control-plane.js";
import type { CachedTenantDirectory } from "../tenancy/tenant-directory.js";
import { changeRecord } from "./change-placement.js";
import { isEnd } from "./move-steps.js";

export interface MoveOperationTools {
  readonly control: ControlPlane;
  readonly directory: CachedTenantDirectory;
  /** Told when a move was asked to end otherwise. */
  readonly onMoveRequested: () => void;
}

/** How often a watcher of a move looks: several times within what a person notices. */
const watchPollMs = 100;

export class PlacementMoves {
  constructor(private readonly tools: MoveOperationTools) {}

  async find(id: unknown): Promise<PlacementMoveRow | undefined> {
    return isWellFormedId("move", id) ? this.tools.control.moves.find(id as MoveId) : undefined;
  }

  /** Yields the move whenever it has changed, last when it has ended. */
  async *watch(id: unknown, signal: AbortSignal): AsyncGenerator<PlacementMoveRow> {
    let last = "";
    while (!signal.aborted) {
      const move = await this.#existing(id);
      const seen = JSON.stringify([move.phase, move.copied, move.total, move.pauseMs, move.reverting, move.cancelRequested, move.revertRequested]);
      if (seen !== last) yield move;
      last = seen;
      if (isEnd(move.phase)) return;
      await sleep(watchPollMs);
    }
  }

  /** Before the switch. The tenant stays where it is, until its tier is next changed. Throws `NOT_FOUND`, `CONFLICT`. */
  cancel(id: unknown): Promise<PlacementMoveRow> {
    return this.#callBack(id, "CANCEL");
  }

  /** Between the switch and the retirement of the old home. What was written meanwhile comes along. Throws `NOT_FOUND`, `CONFLICT`. */
  revert(id: unknown): Promise<PlacementMoveRow> {
    return this.#callBack(id, "REVERT");
  }

  async #callBack(id: unknown, request: "CANCEL" | "REVERT"): Promise<PlacementMoveRow> {
    const move = await this.#existing(id);
    if (isEnd(move.phase)) throw conflict(`The placement move has ended (${move.phase}): change the tier to move the tenant again`);
    const asked = await this.tools.control.moves.request(move.id, request);
    // Or the next start would find the tenant away from its tier's home, and begin the same move again.
    await changeRecord(this.tools, move.tenantId, ({ placementOverride }) => (placementOverride === move.from.kind ? undefined : { override: { home: move.from.kind, endsWithTier: true } }));
    this.tools.onMoveRequested();
    return asked;
  }

  async #existing(id: unknown): Promise<PlacementMoveRow> {
    const move = await this.find(id);
    if (move === undefined) throw notFound("PlacementMove");
    return move;
  }
}
