/**
 * Who may use how much of a provider that all servers share. One row a group of models; each server
 * keeps its own part of it alive, and a part that is not kept alive is free again.
 */

/** One tenant's calls of one class at one server. */
export interface ShareClaim {
  /** Says which claims of several servers are one tenant's, and no more: a hash. */
  readonly tenant: string;
  readonly weight: number;
  /** Of its class; 0 goes first. */
  readonly rank: number;
  readonly running: number;
  readonly waiting: number;
}

export interface ServerShare {
  readonly id: string;
  readonly slots: number;
  /** Of the group's rates. */
  readonly permille: number;
  readonly claims: readonly ShareClaim[];
}

export interface ShareBeat {
  /** Names the server's process: one that starts anew is another. */
  readonly server: string;
  /** Raised with each beat, so that a late one cannot land after another. */
  readonly seq: number;
  /** What the server wants to have. It gets no more than the other servers' living parts leave. */
  readonly slots: number;
  readonly permille: number;
  readonly claims: readonly ShareClaim[];
  /** What there is to share. */
  readonly slotsTotal: number;
  /** How long the part lives if no beat follows, by the database's clock. */
  readonly leaseMs: number;
}

export interface ShareView {
  /** The database's time, in ms since the epoch. */
  readonly at: number;
  /** All servers with a living part, the one that asked among them. */
  readonly servers: readonly ServerShare[];
}

/** Of the rates there is always this much to share. */
export const permilleTotal = 1_000;

export interface PoolShareStore {
  /**
   * In one statement: the parts of servers that are gone are dropped, and the server's part becomes
   * what it wants or what is free. So the living parts never add up to more than there is. Throws
   * `CONFLICT` when a later beat of the server has landed already, `SERVICE_UNAVAILABLE`.
   */
  beat(group: string, beat: ShareBeat): Promise<ShareView>;
  /** Gives the server's part back at once. */
  leave(group: string, server: string): Promise<void>;
}
