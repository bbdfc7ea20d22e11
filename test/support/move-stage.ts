/** Where moves are made to fail: an engine with users over TCP, a server that writes, one that reads, one that takes over, and movers to strike. */
import { expect } from "vitest";
import { internal } from "../../src/kernel/errors.js";
import type { MoveId } from "../../src/kernel/ids.js";
import { isEnd } from "../../src/provisioning/move-steps.js";
import type { MoveEnd, PlacementMoveRow } from "../../src/storage/control/control-plane.js";
import { Child } from "./child.js";
import { CuttableProxy } from "./cuttable-proxy.js";
import { endOf, journeys, observeMsOf, travel, type Journey, type Passage } from "./move-journeys.js";
import { MoveServer } from "./move-server.js";
import { expireLease, orphansOf } from "./move-traces.js";
import type { MoveErrand, MoveNews } from "./move-worker.js";
import { ObservedTenant } from "./observed-tenant.js";
import { startGuardedEngine, type GuardedEngine } from "./silo-fixture.js";

/** `EXCEPTION` passes at the next try; `EXCEPTIONS` meets the mover every time it comes by. */
export type Fault = "KILL" | "CUT" | "EXCEPTION" | "EXCEPTIONS";

/** Longer than the driver's first look for the server that it has lost. */
const refuseMs = 300;
/** Between two rounds of one tenant's reads, or writes. */
const loadPauseMs = 250;
const takeOversMax = 20;
const faultsShown = 5;

export class MoveStage {
  #next = 0;
  readonly #idle: { readonly proxy: CuttableProxy; readonly server: MoveServer }[] = [];
  readonly #ways: { readonly proxy: CuttableProxy; readonly server: MoveServer }[] = [];
  readonly #warm: Child<MoveNews>[] = [];

  private constructor(readonly engine: GuardedEngine, readonly observer: MoveServer, readonly reader: MoveServer, readonly helper: MoveServer) {}

  /** The engine runs in this process unless another is given. */
  static async start(given?: GuardedEngine): Promise<MoveStage> {
    const engine = given ?? (await startGuardedEngine({ tcp: true }));
    return new MoveStage(engine, await MoveServer.start(engine.uri, "observer"), await MoveServer.start(engine.uri, "reader"), await MoveServer.start(engine.uri, "helper"));
  }

  /** Every point of every journey, as undisturbed runs pass them. */
  async probe(): Promise<readonly Passage[]> {
    const passages = new Map<string, Passage>();
    await Promise.all(
      journeys.map(async (journey) => {
        const { tenant, moveId } = await this.begun("STILL");
        const at = this.#along(journey, moveId, async (passage) => void passages.set(passage.key, passage));
        await this.helper.mover({ observeMs: observeMsOf(journey), at }).drive(moveId);
        await this.finish(tenant, moveId, [endOf[journey]]);
      }),
    );
    return [...passages.values()];
  }

  /** A tenant that is written on the observer and read on the reader, unless it is to be still, and the move that waits for a mover. */
  async begun(load: "BUSY" | "STILL" = "BUSY"): Promise<{ readonly tenant: ObservedTenant; readonly moveId: MoveId }> {
    const tenant = await ObservedTenant.create(this.observer, this.reader, `t${(this.#next += 1)}`.padEnd(3, "x"));
    if (load === "BUSY") tenant.begin(loadPauseMs);
    const { move } = await this.observer.administration.changeTier(tenant.id, "ENTERPRISE");
    if (move === undefined) throw internal("No move was begun");
    return { tenant, moveId: move.id };
  }

  /** One case of the matrix, from a tenant's creation to what is left at its end. Throws what is wrong. */
  async strike({ journey, key }: Passage, fault: Fault): Promise<PlacementMoveRow> {
    const { tenant, moveId } = await this.begun();
    try {
      if (fault === "KILL") await this.#kill(tenant, moveId, journey, key);
      else if (fault === "CUT") await this.#cut(tenant, moveId, journey, key);
      else await this.#throw(tenant, moveId, journey, key, fault === "EXCEPTIONS");
      await this.#witness(tenant);
      // Exceptions without end are what a move that can still be undone is undone for.
      return await this.finish(tenant, moveId, fault === "EXCEPTIONS" ? ["FAILED"] : [endOf[journey]]);
    } finally {
      await tenant.stop();
    }
  }

  /** Another server drives the move to its end; then nothing is missing, doubled or left over. */
  async finish(tenant: ObservedTenant, moveId: MoveId, ends: readonly MoveEnd[]): Promise<PlacementMoveRow> {
    let move = await this.#row(moveId);
    for (let tries = 0; tries < takeOversMax && !isEnd(move.phase); tries += 1) {
      await expireLease(this.engine.root, tenant.id);
      await this.helper.mover().drive(moveId);
      move = await this.#row(moveId);
    }
    await this.#witness(tenant);
    await tenant.write();
    await tenant.stop();
    expect(ends, `${move.phase} ${move.failure ?? ""}`).toContain(move.phase);
    const { placement } = (await this.observer.context(tenant.id)).record;
    const there = move.phase === "DONE" && !move.reverting ? "SILO" : "POOL";
    expect(placement, "settled on one side").toMatchObject({ kind: "SETTLED", home: { kind: there } });
    expectNone(tenant.failures);
    expect(tenant.reads, "reads").toBeGreaterThan(0);
    for (const server of [this.observer, this.helper]) expectNone(await tenant.differences(server));
    expectNone(await orphansOf(this.engine.root, this.observer, tenant.id));
    return move;
  }

  /** Starts movers that a later `strike` kills, so that their start is not waited for. */
  warm(count: number): void {
    while (this.#warm.length < count) this.#warm.push(this.child());
  }

  child(): Child<MoveNews> {
    return Child.start<MoveNews>("./move-worker.ts", [this.engine.uri, `child-${(this.#next += 1)}`]);
  }

  /** Sends a child to a point and has it send itself a signal there, when `beforehand` is done. */
  async send(child: Child<MoveNews>, errand: MoveErrand, beforehand: () => Promise<void>): Promise<void> {
    expect(await child.hear()).toBe("READY");
    child.tell(errand);
    expect(await child.hear(), `comes by ${errand.key}`).toBe("REACHED");
    await beforehand();
    child.tell("GO");
  }

  async close(): Promise<void> {
    await Promise.all(this.#warm.map((child) => child.kill()));
    for (const { server, proxy } of this.#ways) {
      await server.close();
      await proxy.close();
    }
    await this.observer.close();
    await this.reader.close();
    await this.helper.close();
    await this.engine.close();
  }

  /** Reads now, beside those that go on by themselves: none may be missed for being between two rounds. */
  async #witness(tenant: ObservedTenant): Promise<void> {
    await Promise.all([tenant.look(), tenant.lookAtHome(this.engine.root)]);
  }

  async #kill(tenant: ObservedTenant, moveId: MoveId, journey: Journey, key: string): Promise<void> {
    const child = this.#warm.shift() ?? this.child();
    try {
      await this.send(child, { moveId, journey, key, signal: "SIGKILL" }, () => this.#witness(tenant));
      await child.ended();
      expect(child.process.signalCode).toBe("SIGKILL");
    } finally {
      await child.kill();
    }
  }

  async #cut(tenant: ObservedTenant, moveId: MoveId, journey: Journey, key: string): Promise<void> {
    const way = this.#idle.pop() ?? (await this.#way());
    const strike = async (): Promise<void> => {
      const before = way.proxy.cutSockets;
      way.proxy.cut(refuseMs);
      expect(way.proxy.cutSockets, "connections that were cut").toBeGreaterThan(before);
    };
    await this.#drive(way.server, tenant, moveId, journey, key, false, strike);
    this.#idle.push(way);
  }

  async #throw(tenant: ObservedTenant, moveId: MoveId, journey: Journey, key: string, always: boolean): Promise<void> {
    await this.#drive(this.helper, tenant, moveId, journey, key, always, async () => {
      throw internal("A fault of this test");
    });
  }

  async #drive(server: MoveServer, tenant: ObservedTenant, moveId: MoveId, journey: Journey, key: string, always: boolean, strike: () => Promise<void>): Promise<void> {
    let struck = 0;
    const at = this.#along(journey, moveId, async (passage) => {
      if (passage.key !== key || (struck > 0 && !always)) return;
      struck += 1;
      if (struck === 1) await this.#witness(tenant);
      await strike();
    });
    await server.mover({ observeMs: observeMsOf(journey), at }).drive(moveId);
    expect(struck, `comes by ${key}`).toBeGreaterThan(0);
  }

  #along(journey: Journey, moveId: MoveId, onPassage: (passage: Passage) => Promise<void>): (point: string) => Promise<void> {
    return travel(journey, (request) => this.observer.control.moves.request(moveId, request), onPassage);
  }

  /** A mover's server whose every connection goes through a proxy of its own. */
  async #way(): Promise<{ readonly proxy: CuttableProxy; readonly server: MoveServer }> {
    const proxy = await CuttableProxy.start(this.engine.uri);
    const way = { proxy, server: await MoveServer.start(proxy.uri, `cut-${(this.#next += 1)}`) };
    this.#ways.push(way);
    return way;
  }

  async #row(moveId: MoveId): Promise<PlacementMoveRow> {
    const row = await this.helper.control.moves.find(moveId);
    if (row === undefined) throw internal("The move is gone");
    return row;
  }
}

/** Says what they are: of an array a failure shows its length alone. */
function expectNone(faults: readonly string[]): void {
  expect(faults, faults.slice(0, faultsShown).join("; ")).toEqual([]);
}
