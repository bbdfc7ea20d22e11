import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { BSON } from "mongodb";

export type Spec = Record<string, unknown>;

export interface Requirement {
  minServerVersion?: string;
  maxServerVersion?: string;
  topologies?: string[];
  serverless?: string;
  auth?: boolean;
  serverParameters?: Spec;
}

export interface Operation {
  name: string;
  object: string;
  arguments?: Spec;
  expectError?: Spec;
  expectResult?: unknown;
  saveResultAsEntity?: string;
  ignoreResultAndError?: boolean;
}

export interface CollectionData {
  databaseName: string;
  collectionName: string;
  documents: Spec[];
}

export interface ExpectedEvents {
  client: string;
  eventType?: string;
  events: Spec[];
  ignoreExtraEvents?: boolean;
}

export interface SpecTest {
  description: string;
  operations: Operation[];
  runOnRequirements?: Requirement[];
  skipReason?: string;
  expectEvents?: ExpectedEvents[];
  outcome?: CollectionData[];
}

export interface SpecFile {
  /** Path below the directory given, for the report. */
  name: string;
  createEntities: Spec[];
  initialData: CollectionData[];
  runOnRequirements: Requirement[] | undefined;
  tests: SpecTest[];
}

/** Every unified-format file below `dir`, by name; other JSON files are left out. */
export function readSpecFiles(dir: string): SpecFile[] {
  const names = readdirSync(dir, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".json"));
  return names.toSorted().flatMap((name) => {
    const content = BSON.EJSON.parse(readFileSync(join(dir, name), "utf8"), { relaxed: true }) as Partial<SpecFile> & { schemaVersion?: string };
    if (content.schemaVersion === undefined || content.tests === undefined) return [];
    return [
      {
        name,
        createEntities: content.createEntities ?? [],
        initialData: content.initialData ?? [],
        runOnRequirements: content.runOnRequirements,
        tests: content.tests,
      },
    ];
  });
}
