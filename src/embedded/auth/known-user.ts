/*
 * A user as the directory holds it in memory.
 */
import type { Doc } from "../semantics/bson-codec.js";
import type { Grants } from "./grants.js";
import type { RoleName } from "./roles.js";
import type { ScramCredentials } from "./scram-credentials.js";
import type { UserName } from "./user-name.js";

export interface KnownUser {
  /** A UUID in hex: a user made again under an old name is another user. */
  readonly id: string;
  readonly name: UserName;
  /** `userKey` and `sessionDigest` of the name: asked for by every command, so made once. */
  readonly key: string;
  readonly sessionSuffix: Buffer;
  readonly roles: readonly RoleName[];
  readonly grants: Grants;
  readonly customData: Doc | undefined;
  readonly salt: Buffer;
  readonly iterations: number;
  /** Of the root user they are derived while the engine starts, hence the promise. */
  readonly credentials: Promise<ScramCredentials>;
}
