import { readdirSync } from "node:fs";
import { join } from "node:path";
import { Catalog } from "../../../src/embedded/engine/catalog.js";
import { DatabaseFile } from "../../../src/embedded/engine/database-file.js";
import { indexEntries } from "../../../src/embedded/engine/index-state.js";
import { documentPrefix, indexPrefix, keyText, successor } from "../../../src/embedded/engine/keys.js";
import { walk } from "../../../src/embedded/engine/read-view.js";
import { decode } from "../../../src/embedded/semantics/bson-codec.js";

export interface CheckedDatabase {
  documents: number;
  entries: number;
  /** Index entries that no document has, and entries of documents that no index has. */
  faults: string[];
}

/** Compares the documents of one closed database file with its index entries, both ways. */
export async function checkDatabaseFile(dir: string, fileName: string): Promise<CheckedDatabase> {
  const file = new DatabaseFile(join(dir, fileName), true);
  const checked: CheckedDatabase = { documents: 0, entries: 0, faults: [] };
  const catalog = new Catalog();
  catalog.load(file.latest);
  for (const collection of catalog.all()) {
    const expected = new Set<string>();
    const prefix = documentPrefix(collection.id);
    for (const { key, value } of walk(file.latest, prefix, successor(prefix))) {
      checked.documents += 1;
      const idKey = key.subarray(prefix.length);
      for (const index of collection.indexes) for (const entry of indexEntries(index, decode(value), idKey).entries) expected.add(keyText(entry.key));
    }
    for (const index of collection.indexes) {
      for (const { key } of walk(file.latest, indexPrefix(index.id), successor(indexPrefix(index.id)))) {
        checked.entries += 1;
        if (!expected.delete(keyText(key))) checked.faults.push(`${index.name}: an entry without a document`);
      }
    }
    checked.faults.push(...[...expected].map(() => `${collection.name}: a document without an entry`));
  }
  await file.close();
  return checked;
}

export function databaseFiles(dir: string): string[] {
  return readdirSync(dir).filter((name) => name.endsWith(".mdb"));
}
