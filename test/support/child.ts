import { execFileSync, fork, type ChildProcess } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { internal } from "../../src/kernel/errors.js";

/** On a machine that is busy with other suites. */
const silenceMsMax = 150_000;
const pollMs = 5;

/** A script of `test/support` in a process of its own, spoken to by messages. What it says is kept until it is heard. */
export class Child<News> {
  readonly #said: unknown[] = [];
  readonly #ended: Promise<void>;
  #err = "";

  private constructor(private readonly name: string, readonly process: ChildProcess) {
    process.on("message", (message) => this.#said.push(message));
    process.stderr?.on("data", (part: Buffer) => (this.#err += part.toString()));
    this.#ended = new Promise((done) => process.once("exit", () => done()));
  }

  static start<News>(script: string, args: readonly string[]): Child<News> {
    const process = fork(new URL(script, import.meta.url), args, { execArgv: ["--import", "tsx"], stdio: ["ignore", "ignore", "pipe", "ipc"] });
    return new Child(script, process);
  }

  tell(message: object | string): void {
    this.process.send(message);
  }

  /** What it says next. Throws when it ends first, or says nothing. */
  async hear(): Promise<News> {
    for (const end = Date.now() + silenceMsMax; ; await sleep(pollMs)) {
      if (this.#said.length > 0) return this.#said.shift() as News;
      if (this.hasEnded) throw internal(`${this.name} ended with ${this.process.exitCode ?? this.process.signalCode}: ${this.#err}`);
      if (Date.now() > end) throw internal(`${this.name} said nothing: ${this.#err}`);
    }
  }

  get hasEnded(): boolean {
    return this.process.exitCode !== null || this.process.signalCode !== null;
  }

  /** Whether the system has taken it off the processor, as `ps` says everywhere. */
  async untilStopped(): Promise<void> {
    for (const end = Date.now() + silenceMsMax; !execFileSync("ps", ["-o", "stat=", "-p", String(this.process.pid)], { encoding: "utf8" }).startsWith("T"); await sleep(pollMs)) {
      if (Date.now() > end) throw internal(`${this.name} was not stopped`);
    }
  }

  ended(): Promise<void> {
    return this.#ended;
  }

  async kill(): Promise<void> {
    this.process.kill("SIGKILL");
    await this.#ended;
  }
}
