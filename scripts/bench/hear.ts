import type { ChildProcess } from "node:child_process";

/** A loaded machine is slow to start several processes; one that has died says nothing for ever. */
const silenceMsMax = 120_000;

/** The child's next message. Throws when it ends first, or says nothing: there is nothing to measure then. */
export function hear<Message>(child: ChildProcess, name: string): Promise<Message> {
  return new Promise((resolve, reject) => {
    const settle = (settled: () => void): void => {
      clearTimeout(timer);
      child.off("message", onMessage).off("exit", onExit);
      settled();
    };
    const onMessage = (message: unknown): void => settle(() => resolve(message as Message));
    const onExit = (code: number | null, signal: string | null): void => settle(() => reject(new Error(`${name} ended with ${code ?? signal}`)));
    const timer = setTimeout(() => settle(() => reject(new Error(`${name} said nothing for ${silenceMsMax} ms`))), silenceMsMax);
    child.on("message", onMessage).on("exit", onExit);
  });
}

/** Asks the child and hears its answer. */
export function ask<Answer>(child: ChildProcess, name: string, question: object): Promise<Answer> {
  const heard = hear<Answer>(child, name);
  child.send(question);
  return heard;
}
