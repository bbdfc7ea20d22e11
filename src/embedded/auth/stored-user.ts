/*
 * A user as it lies in the admin database's file, in the shape of MongoDB's `admin.system.users`, but in a key space
 * of its own: no collection command can read a credential.
 * Before it: user-directory.ts; after it: the file.
 */
import { Binary, UUID } from "bson";
import { asNumber, isDoc } from "../engine/values.js";
import { decode, encode, type Doc } from "../semantics/bson-codec.js";
import { Grants } from "./grants.js";
import type { KnownUser } from "./known-user.js";
import type { RoleName } from "./roles.js";
import { MECHANISM, type ScramCredentials } from "./scram-credentials.js";
import { sessionDigest, userKey, type UserName } from "./user-name.js";

export interface UserRecord {
  readonly id: string;
  readonly name: UserName;
  readonly roles: readonly RoleName[];
  readonly customData: Doc | undefined;
  readonly credentials: ScramCredentials;
}

export function encodeUser({ id, name, roles, customData, credentials }: UserRecord): Buffer {
  return encode({
    userId: new UUID(id),
    ...name,
    credentials: {
      [MECHANISM]: {
        iterationCount: credentials.iterations,
        salt: credentials.salt.toString("base64"),
        storedKey: credentials.storedKey.toString("base64"),
        serverKey: credentials.serverKey.toString("base64"),
      },
    },
    roles: roles.map((role) => ({ ...role })),
    customData,
  });
}

export function decodeUser(bytes: Buffer): UserRecord {
  const stored = decode(bytes);
  const scram = (stored["credentials"] as Doc)[MECHANISM] as Doc;
  const bytesOf = (field: string): Buffer => Buffer.from(String(scram[field]), "base64");
  return {
    id: uuidText(stored["userId"] as Binary),
    name: { db: String(stored["db"]), user: String(stored["user"]) },
    roles: (stored["roles"] as Doc[]).map(({ role, db }) => ({ role: String(role), db: String(db) })),
    customData: isDoc(stored["customData"]) ? stored["customData"] : undefined,
    credentials: { salt: bytesOf("salt"), iterations: asNumber(scram["iterationCount"]), storedKey: bytesOf("storedKey"), serverKey: bytesOf("serverKey") },
  };
}

function uuidText(id: Binary): string {
  return new UUID(id.buffer.subarray(0, id.position)).toHexString();
}

/** Throws EngineError 31 RoleNotFound. */
export function knownUser({ id, name, roles, customData, credentials }: UserRecord): KnownUser {
  const { salt, iterations } = credentials;
  return { id, name, key: userKey(name), sessionSuffix: sessionDigest(name), roles, grants: new Grants(roles), customData, salt, iterations, credentials: Promise.resolve(credentials) };
}
