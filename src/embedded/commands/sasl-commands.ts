/*
 * Authentication commands; each is answered before the connection's next message is read.
 * Before it: execute-command.ts; after it: auth/sasl.ts.
 */
import { continueConversation, startConversation } from "../auth/sasl.js";
import { EngineError } from "../engine-error.js";
import type { Command, CommandContext } from "./command.js";

export const saslStart: Command = {
  name: "saslStart",
  fields: ["mechanism", "payload", "autoAuthorize", "options"],
  served: "SCRAM-SHA-256 without channel binding; refused: every other mechanism",
  run: (context) => telling(context, async () => startConversation(context.users, context.client, context.body, context.databaseName)),
};

export const saslContinue: Command = {
  name: "saslContinue",
  fields: ["conversationId", "payload"],
  served: "one proof a conversation; skipEmptyExchange saves the last round trip",
  run: (context) => telling(context, () => continueConversation(context.users, context.client, context.body)),
};

export const logout: Command = {
  name: "logout",
  fields: [],
  served: "of the database that authenticated the user",
  run: ({ client, databaseName }) => {
    client.logout(databaseName);
    return { ok: 1 };
  },
};

/** Guessing of passwords must show in the log; the name that was tried stays out, people type passwords there. */
async function telling<T>({ engine, client, databaseName }: CommandContext, step: () => Promise<T>): Promise<T> {
  try {
    return await step();
  } catch (error) {
    if (error instanceof EngineError && error.code === 18) engine.event("warn", `Authentication failed on connection ${client.id}, for a user of '${databaseName.slice(0, 63)}'`);
    throw error;
  }
}
