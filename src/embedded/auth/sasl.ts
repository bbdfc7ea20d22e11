/*
 * saslStart and saslContinue, alone or riding on hello: MongoDB's envelope around a SCRAM conversation.
 * Before it: commands/sasl-commands.ts and commands/hello.ts; after it: scram-conversation.ts.
 */
import { Binary } from "bson";
import { EngineError } from "../engine-error.js";
import { badValue, typeMismatch } from "../engine/errors.js";
import { asNumber, isDoc } from "../engine/values.js";
import type { Doc } from "../semantics/bson-codec.js";
import type { Client, Conversation } from "./client.js";
import type { KnownUser } from "./known-user.js";
import { MECHANISM } from "./scram-credentials.js";
import { authenticationFailed, ScramConversation } from "./scram-conversation.js";
import type { UserDirectory } from "./user-directory.js";

/** A connection has one conversation at a time, as on a server. */
const CONVERSATION_ID = 1;

/** Throws EngineError 18 AuthenticationFailed and 334 MechanismUnavailable. */
export function startConversation(users: UserDirectory, client: Client, spec: Doc, db: string): Doc {
  client.conversation = undefined;
  const { mechanism, options } = spec;
  if (mechanism !== MECHANISM) {
    throw new EngineError(334, "MechanismUnavailable", `Received authentication for mechanism ${String(mechanism)} which is unknown or not enabled`);
  }
  const scram = new ScramConversation(payloadOf(spec), (user) => users.scram({ db, user }));
  client.conversation = { scram, db, skipEmptyExchange: isDoc(options) && options["skipEmptyExchange"] === true, proved: undefined };
  return reply(scram.serverFirst, false);
}

/** On hello a failure is silence: the client then starts again by itself and is told. */
export function startSpeculatively(users: UserDirectory, client: Client, spec: unknown): Doc {
  if (!isDoc(spec) || typeof spec["db"] !== "string") return {};
  try {
    return { speculativeAuthenticate: startConversation(users, client, spec, spec["db"]) };
  } catch (error) {
    if (error instanceof EngineError) return {};
    throw error;
  }
}

/** Throws EngineError 17 ProtocolError and 18 AuthenticationFailed. */
export async function continueConversation(users: UserDirectory, client: Client, spec: Doc): Promise<Doc> {
  const { conversation } = client;
  // Taken out before anything can fail: a conversation gets one proof.
  client.conversation = undefined;
  if (!conversation) throw new EngineError(17, "ProtocolError", "No SASL session state found");
  if (asNumber(spec["conversationId"]) !== CONVERSATION_ID) throw new EngineError(17, "ProtocolError", "sasl: Mismatched conversation id");
  return conversation.proved ? finish(client, conversation.proved, payloadOf(spec)) : prove(users, client, conversation, payloadOf(spec));
}

async function prove(users: UserDirectory, client: Client, conversation: Conversation, payload: string): Promise<Doc> {
  const final = await conversation.scram.finish(payload);
  const user = users.find({ db: conversation.db, user: conversation.scram.user });
  // Dropped between the two messages.
  if (!user) throw authenticationFailed();
  if (!conversation.skipEmptyExchange) {
    client.conversation = { ...conversation, proved: user };
    return reply(final, false);
  }
  client.authenticate(user);
  return reply(final, true);
}

function finish(client: Client, user: KnownUser, payload: string): Doc {
  if (payload !== "") throw authenticationFailed();
  client.authenticate(user);
  return reply("", true);
}

function reply(payload: string, done: boolean): Doc {
  return { conversationId: CONVERSATION_ID, done, payload: new Binary(Buffer.from(payload, "utf8")), ok: 1 };
}

function payloadOf(spec: Doc): string {
  const { payload } = spec;
  if (!(payload instanceof Binary)) throw typeMismatch("payload", payload, "binData");
  return Buffer.from(payload.buffer.subarray(0, payload.position)).toString("utf8");
}

/** `saslSupportedMechs` of hello. The answer is the same for a user that does not exist. */
export function supportedMechanisms(asked: unknown): Doc {
  if (asked === undefined) return {};
  if (typeof asked !== "string" || !asked.includes(".")) throw badValue(`Got ${JSON.stringify(asked)} for saslSupportedMechs, expected "<db>.<user>"`);
  return { saslSupportedMechs: [MECHANISM] };
}

export function authInfo(user: KnownUser | undefined, showPrivileges: boolean): Doc {
  return {
    authenticatedUsers: user ? [{ user: user.name.user, db: user.name.db }] : [],
    authenticatedUserRoles: user ? user.roles.map((role) => ({ ...role })) : [],
    ...(showPrivileges ? { authenticatedUserPrivileges: user?.grants.describe() ?? [] } : {}),
  };
}
