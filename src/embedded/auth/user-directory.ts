/*
 * The users of one engine: read once from the admin database's file, changed in durable commits of it.
 * Before it: start-engine.ts; after it: database-file.ts. Dropping a database leaves its users, as in MongoDB.
 */
import { UUID } from "bson";
import { randomBytes } from "node:crypto";
import { EngineError } from "../engine-error.js";
import type { WriteView } from "../engine/database-file.js";
import type { Engine } from "../engine/engine.js";
import { metaKey, storedUserKey, storedUserRange } from "../engine/keys.js";
import { walk } from "../engine/read-view.js";
import type { Doc } from "../semantics/bson-codec.js";
import { givenRoot, type GivenRoot } from "./given-root.js";
import type { KnownUser } from "./known-user.js";
import type { RoleName } from "./roles.js";
import { deriveCredentials, derivedSalt, freshSalt, ITERATIONS, type ScramCredentials } from "./scram-credentials.js";
import type { ScramUser } from "./scram-conversation.js";
import { decodeUser, encodeUser, knownUser, type UserRecord } from "./stored-user.js";
import { sessionDigest, showUser, userKey, type UserName } from "./user-name.js";

const ADMIN = "admin";
/** What the salts of users who do not exist are derived from; kept, lest a restart tell them from those who do. */
const SECRET = "userSecret";
const SECRET_BYTES = 32;

export interface UserChange {
  readonly password?: string;
  readonly roles?: readonly RoleName[];
  readonly customData?: Doc;
}

export class UserDirectory {
  readonly #engine: Engine;
  readonly #root: KnownUser | undefined;
  #secret = randomBytes(SECRET_BYTES);
  #read: Map<string, UserRecord & { known: KnownUser }> | undefined;
  /** No password leads here: its keys are random, and a match would still be refused. */
  readonly #nobody: Promise<ScramCredentials>;

  constructor(engine: Engine, root: GivenRoot | undefined) {
    this.#engine = engine;
    this.#nobody = Promise.resolve(randomCredentials());
    if (!root) return;
    // The secret comes with the users, and the root user's salt from the secret.
    this.#load();
    this.#root = givenRoot(root, (name) => derivedSalt(this.#secret, userKey(name)));
  }

  /** Commands are refused to those who may not run them; as mongod with `--auth`, without its localhost exception. */
  get enforced(): boolean {
    return this.#root !== undefined;
  }

  readonly find = (name: UserName): KnownUser | undefined => {
    const key = userKey(name);
    return this.#root?.key === key ? this.#root : this.#load().get(key)?.known;
  };

  all(): KnownUser[] {
    const stored = [...this.#load().values()].map(({ known }) => known);
    const users = this.#root ? [this.#root, ...stored.filter(({ name }) => this.find(name) !== this.#root)] : stored;
    return users.toSorted((a, b) => (userKey(a.name) < userKey(b.name) ? -1 : 1));
  }

  /** Of a user who does not exist: a salt that never changes and keys that fit nothing, made with the same work. */
  scram(name: UserName): ScramUser {
    const salt = derivedSalt(this.#secret, userKey(name));
    const user = this.find(name);
    if (user) return { salt: user.salt, iterations: user.iterations, known: true, credentials: user.credentials };
    return { salt, iterations: ITERATIONS, known: false, credentials: this.#nobody };
  }

  /** Throws EngineError 51003 for a user that exists and 31 RoleNotFound. */
  async create(name: UserName, { password, roles, customData }: { password: string; roles: readonly RoleName[]; customData: Doc | undefined }): Promise<void> {
    this.#refuseExisting(name);
    const credentials = await deriveCredentials(password, freshSalt());
    const record = { id: new UUID().toHexString(), name, roles, customData, credentials };
    const known = knownUser(record);
    await this.#commit(
      (view) => {
        this.#refuseExisting(name);
        view.put(storedUserKey(userKey(name)), encodeUser(record));
      },
      (users) => users.set(userKey(name), { ...record, known }),
    );
  }

  /** Throws EngineError 11 UserNotFound and 31 RoleNotFound. */
  async update(name: UserName, { password, ...rest }: UserChange): Promise<void> {
    this.#require(name);
    const changed = { ...rest, ...(password === undefined ? {} : { credentials: await deriveCredentials(password, freshSalt()) }) };
    let next: (UserRecord & { known: KnownUser }) | undefined;
    await this.#commit(
      (view) => {
        const record = { ...this.#require(name), ...changed };
        next = { ...record, known: knownUser(record) };
        view.put(storedUserKey(userKey(name)), encodeUser(record));
      },
      (users) => next && users.set(userKey(name), next),
    );
  }

  /** Throws EngineError 11 UserNotFound. */
  async drop(name: UserName): Promise<void> {
    await this.#commit(
      (view) => {
        this.#require(name);
        view.remove(storedUserKey(userKey(name)));
      },
      (users) => this.#forget(users, name),
    );
  }

  /** How many there were. */
  async dropAll(db: string): Promise<number> {
    let dropped: UserName[] = [];
    if (![...this.#load().values()].some(({ name }) => name.db === db)) return 0;
    await this.#commit(
      (view) => {
        dropped = [...this.#load().values()].map(({ name }) => name).filter((name) => name.db === db);
        for (const name of dropped) view.remove(storedUserKey(userKey(name)));
      },
      (users) => dropped.forEach((name) => this.#forget(users, name)),
    );
    return dropped.length;
  }

  /** Also ends what the user left running: nobody else could, and an open transaction holds locks. */
  #forget(users: Map<string, UserRecord & { known: KnownUser }>, name: UserName): void {
    users.delete(userKey(name));
    this.#engine.sessions.abortOwnedBy(sessionDigest(name));
    this.#engine.cursors.removeOfUser(userKey(name));
  }

  async #commit(apply: (view: WriteView) => void, visible: (users: Map<string, UserRecord & { known: KnownUser }>) => void): Promise<void> {
    const users = this.#load();
    await this.#engine.open(ADMIN).file.commit({
      // Two changes of one user in a group would each be checked against the state before both.
      alone: true,
      apply: (view) => {
        apply(view);
        if (!view.get(metaKey(SECRET))) view.put(metaKey(SECRET), this.#secret);
      },
      visible: () => visible(users),
    });
  }

  #load(): Map<string, UserRecord & { known: KnownUser }> {
    if (this.#read) return this.#read;
    const users = new Map<string, UserRecord & { known: KnownUser }>();
    // Reading must not make a file, so that an engine nobody made users in has none.
    const file = this.#engine.existing(ADMIN)?.file;
    const { start, end } = storedUserRange();
    for (const { value } of file ? walk(file.latest, start, end) : []) {
      const record = decodeUser(value);
      users.set(userKey(record.name), { ...record, known: knownUser(record) });
    }
    const kept = file?.latest.get(metaKey(SECRET));
    if (kept) this.#secret = Buffer.from(kept);
    this.#read = users;
    return users;
  }

  #require(name: UserName): UserRecord {
    const user = this.#load().get(userKey(name));
    if (!user) throw new EngineError(11, "UserNotFound", `User '${showUser(name)}' not found`);
    return user;
  }

  #refuseExisting(name: UserName): void {
    if (this.find(name)) throw new EngineError(51_003, "Location51003", `User "${showUser(name)}" already exists`);
  }
}

function randomCredentials(): ScramCredentials {
  const [salt, storedKey, serverKey] = [randomBytes(SECRET_BYTES), randomBytes(SECRET_BYTES), randomBytes(SECRET_BYTES)];
  return { salt, iterations: ITERATIONS, storedKey, serverKey };
}
