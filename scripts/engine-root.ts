/*
 * The engine's root user, from the environment: the arguments of a process can be read by everybody on the machine.
 * Before it: a shell; after it: engine.ts.
 */
import type { StartEngineOptions } from "../src/embedded/start-engine.js";

export type GivenUsers = { users: StartEngineOptions["users"] } | { refused: string };

/** Half of a root user is refused: to run open because of a mistake would be the worst answer. */
export function usersOf({ ENGINE_ROOT_USER: user, ENGINE_ROOT_PASSWORD: password }: NodeJS.ProcessEnv): GivenUsers {
  if (!user && !password) return { users: undefined };
  if (!user || !password) return { refused: `Got ${user ? "ENGINE_ROOT_USER" : "ENGINE_ROOT_PASSWORD"} alone, expected both or neither` };
  return { users: { root: { user, password } } };
}
