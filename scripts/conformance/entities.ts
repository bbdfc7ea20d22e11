import {
  ClientSession, Collection, Db, MongoClient, ReadPreference,
  type CommandFailedEvent, type CommandStartedEvent, type CommandSucceededEvent, type MongoClientOptions,
} from "mongodb";
import type { EntityLookup } from "./match.js";
import { NotRunnable } from "./outcomes.js";
import type { Spec } from "./spec-file.js";

/** Handshake and authentication commands, which the format leaves out of every list of events. */
const SENSITIVE = ["authenticate", "saslStart", "saslContinue", "getnonce", "hello", "ismaster", "isMaster", "configureFailPoint"];

export interface RecordedEvent {
  /** Name as in the test files, such as `commandStartedEvent`. */
  name: string;
  body: Spec;
}

/** The named things of one test: clients with their events, databases, collections, sessions, saved results. */
export class Entities implements EntityLookup {
  private readonly values = new Map<string, unknown>();
  private readonly eventsOf = new Map<string, RecordedEvent[]>();
  private readonly lsids = new Map<string, unknown>();

  constructor(private readonly uri: string) {}

  async create(specs: readonly Spec[]): Promise<void> {
    for (const spec of specs) {
      const [[kind, body] = ["nothing", {}]] = Object.entries(spec);
      await this.createOne(kind, body as Spec);
    }
  }

  get(id: string): unknown {
    if (!this.values.has(id)) throw new NotRunnable(`no entity is named ${id}`);
    return this.values.get(id);
  }

  value(id: string): unknown {
    return this.get(id);
  }

  lsid(id: string): unknown {
    // The driver forgets the id of an ended session; the test still compares it.
    return this.session(id).id ?? this.lsids.get(id);
  }

  set(id: string, value: unknown): void {
    this.values.set(id, value);
  }

  client(id: string): MongoClient {
    const value = this.get(id);
    if (value instanceof MongoClient) return value;
    throw new NotRunnable(`${id} is no client`);
  }

  session(id: string): ClientSession {
    const value = this.get(id);
    if (value instanceof ClientSession) return value;
    throw new NotRunnable(`${id} is no session`);
  }

  events(clientId: string): readonly RecordedEvent[] {
    return this.eventsOf.get(clientId) ?? [];
  }

  async close(): Promise<void> {
    for (const value of this.values.values()) if (value instanceof ClientSession) await value.endSession();
    for (const value of this.values.values()) if (value instanceof MongoClient) await value.close();
  }

  private async createOne(kind: string, spec: Spec): Promise<void> {
    const id = String(spec["id"]);
    switch (kind) {
      case "client":
        this.set(id, await this.connect(id, spec));
        return;
      case "database": {
        this.set(id, this.client(String(spec["client"])).db(String(spec["databaseName"]), driverOptions(spec["databaseOptions"])));
        return;
      }
      case "collection": {
        const db = this.get(String(spec["database"]));
        if (!(db instanceof Db)) throw new NotRunnable(`${String(spec["database"])} is no database`);
        this.set(id, db.collection(String(spec["collectionName"]), driverOptions(spec["collectionOptions"])));
        return;
      }
      case "session": {
        const session = this.client(String(spec["client"])).startSession(sessionOptions(spec["sessionOptions"] as Spec | undefined, this));
        this.set(id, session);
        this.lsids.set(id, session.id);
        return;
      }
      default:
        throw new NotRunnable(`entities of kind ${kind} are not supported by this runner`);
    }
  }

  private async connect(id: string, spec: Spec): Promise<MongoClient> {
    const client = new MongoClient(this.uri, { ...(spec["uriOptions"] as MongoClientOptions | undefined), monitorCommands: true });
    const events: RecordedEvent[] = [];
    this.eventsOf.set(id, events);
    const observed = (spec["observeEvents"] as string[] | undefined) ?? [];
    const ignored = [...SENSITIVE, ...((spec["ignoreCommandMonitoringEvents"] as string[] | undefined) ?? [])];
    const note = (name: string, commandName: string, body: Spec) => {
      if (observed.includes(name) && !ignored.includes(commandName)) events.push({ name, body });
    };
    client.on("commandStarted", ({ commandName, command, databaseName }: CommandStartedEvent) =>
      // Copied: the driver goes on changing the command it sent when it retries.
      note("commandStartedEvent", commandName, { commandName, databaseName, command: { ...command } }));
    client.on("commandSucceeded", ({ commandName, reply }: CommandSucceededEvent) => note("commandSucceededEvent", commandName, { commandName, reply }));
    client.on("commandFailed", ({ commandName }: CommandFailedEvent) => note("commandFailedEvent", commandName, { commandName }));
    return client.connect();
  }
}

/** Options of the format that the driver takes under another type or name. */
export function driverOptions(options: unknown): Spec {
  const { readPreference, ...rest } = (options ?? {}) as Spec;
  if (readPreference === undefined) return rest;
  return { ...rest, readPreference: ReadPreference.fromOptions({ readPreference: readPreference as never }) };
}

function sessionOptions(options: Spec | undefined, entities: Entities): Spec {
  const { defaultTransactionOptions, snapshotTime, ...rest } = options ?? {};
  return {
    ...rest,
    ...(snapshotTime === undefined ? {} : { snapshotTime: entities.get(String(snapshotTime)) }),
    ...(defaultTransactionOptions === undefined ? {} : { defaultTransactionOptions: driverOptions(defaultTransactionOptions) }),
  };
}

export function collectionOf(value: unknown): Collection<Spec> {
  if (value instanceof Collection) return value as Collection<Spec>;
  throw new NotRunnable("the operation needs a collection");
}
