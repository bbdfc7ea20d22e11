import { EngineError } from "../engine-error.js";
import type { Command } from "./command.js";

export const dropDatabase: Command = {
  name: "dropDatabase",
  fields: [],
  served: "removes the database with its file, not its users; refused: the admin database, as by MongoDB",
  run: async ({ engine, databaseName }) => {
    // Its file holds everybody's users.
    if (databaseName === "admin") throw new EngineError(20, "IllegalOperation", "Dropping the 'admin' database is prohibited.");
    const existed = engine.existing(databaseName) !== undefined;
    await engine.dropDatabase(databaseName);
    return existed ? { dropped: databaseName, ok: 1 } : { ok: 1 };
  },
};
