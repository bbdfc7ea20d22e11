import { startSpeculatively, supportedMechanisms } from "../auth/sasl.js";
import { SESSION_IDLE_MINUTES_MAX } from "../engine/session-registry.js";
import { MESSAGE_BYTES_MAX } from "../wire/message.js";
import { DOCUMENT_BYTES_MAX } from "../engine/document-writer.js";
import type { Doc } from "../semantics/bson-codec.js";
import { WRITE_BATCH_MAX, type Command, type CommandContext } from "./command.js";

/** The wire version of MongoDB 8.0. */
const WIRE_VERSION_MAX = 25;
/** Drivers of our age ask for at least this. */
const WIRE_VERSION_MIN = 0;
const SET_NAME = "embedded";

const FIELDS = ["client", "compression", "helloOk", "saslSupportedMechs", "speculativeAuthenticate", "topologyVersion", "maxAwaitTimeMS", "loadBalanced", "hostInfo", "backpressure"];

/** A primary of a one-node replica set, since drivers allow sessions and transactions on nothing less. */
function answer(context: CommandContext): Doc {
  const { users, client, body } = context;
  const address = context.engine.address;
  return {
    helloOk: true,
    isWritablePrimary: true,
    ismaster: true,
    // Without topologyVersion drivers poll instead of holding an exhaust stream open.
    setName: SET_NAME,
    setVersion: 1,
    hosts: [address],
    primary: address,
    me: address,
    secondary: false,
    maxBsonObjectSize: DOCUMENT_BYTES_MAX,
    maxMessageSizeBytes: MESSAGE_BYTES_MAX,
    maxWriteBatchSize: WRITE_BATCH_MAX,
    localTime: new Date(),
    logicalSessionTimeoutMinutes: SESSION_IDLE_MINUTES_MAX,
    connectionId: context.client.id,
    minWireVersion: WIRE_VERSION_MIN,
    maxWireVersion: WIRE_VERSION_MAX,
    readOnly: false,
    ...supportedMechanisms(body["saslSupportedMechs"]),
    ...startSpeculatively(users, client, body["speculativeAuthenticate"]),
    ok: 1,
  };
}

const served = "one-node replica-set primary of wire version 25; saslSupportedMechs, speculativeAuthenticate; no compression, no streaming monitor";

export const hello: Command = { name: "hello", fields: FIELDS, served, run: answer };
export const isMaster: Command = { name: "isMaster", fields: FIELDS, served: "as hello", run: answer };
export const ismaster: Command = { name: "ismaster", fields: FIELDS, served: "as hello", run: answer };
