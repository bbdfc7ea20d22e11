import type { Command } from "./command.js";

export const dropDatabase: Command = {
  name: "dropDatabase",
  fields: [],
  served: "removes the database with its file",
  run: async ({ engine, databaseName }) => {
    const existed = engine.existing(databaseName) !== undefined;
    await engine.dropDatabase(databaseName);
    return existed ? { dropped: databaseName, ok: 1 } : { ok: 1 };
  },
};
