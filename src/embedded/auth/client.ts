/*
 * One connection's identity: who it has proved to be, and the proof that is under way.
 * Before it: start-engine.ts makes one a socket; after it: sasl.ts and authorize.ts.
 */
import { EngineError } from "../engine-error.js";
import type { KnownUser } from "./known-user.js";
import type { ScramConversation } from "./scram-conversation.js";
import { showUser, type UserName } from "./user-name.js";

export interface Conversation {
  readonly scram: ScramConversation;
  readonly db: string;
  readonly skipEmptyExchange: boolean;
  /** Set when the proof held and only the empty exchange is left. */
  proved: KnownUser | undefined;
}

export class Client {
  conversation: Conversation | undefined;
  /** Never authenticated yet; who was dropped is told so, a stranger is only listened to as far as he must be. */
  isStranger = true;
  #authenticated: { name: UserName; id: string } | undefined;

  constructor(readonly id: number) {}

  /**
   * The user as it is now, looked up for each command: a dropped user is nobody from its next command on, also when
   * another of the same name was made meanwhile.
   */
  user(find: (name: UserName) => KnownUser | undefined): KnownUser | undefined {
    if (!this.#authenticated) return undefined;
    const user = find(this.#authenticated.name);
    if (user?.id === this.#authenticated.id) return user;
    this.#authenticated = undefined;
    return undefined;
  }

  /** Throws as MongoDB does when the connection is somebody else's already. */
  authenticate(user: KnownUser): void {
    const previous = this.#authenticated?.name;
    if (previous && showUser(previous) !== showUser(user.name)) {
      if (previous.db !== user.name.db) {
        throw new EngineError(5_626_701, "Location5626701", `Each client connection may only be authenticated once. Previously authenticated as: ${showUser(previous)}`);
      }
      throw new EngineError(5_626_702, "Location5626702", "Client has attempted to authenticate as multiple users on the same database");
    }
    this.isStranger = false;
    this.#authenticated = { name: user.name, id: user.id };
  }

  logout(db: string): void {
    this.conversation = undefined;
    if (this.#authenticated?.name.db === db) this.#authenticated = undefined;
  }
}
