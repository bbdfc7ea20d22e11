import { silentTelemetry } from "../../src/kernel/telemetry.js";
import { connectMongo } from "../../src/storage/mongo-connection.js";
import { Command, temporaryFolder } from "./server-process.js";
import { rootLogin, type GuardedEngine } from "./silo-fixture.js";

/** `npm run engine` that asks everyone for a password, as several servers share it. */
export async function startGuardedEngineProcess(): Promise<GuardedEngine> {
  const folder = temporaryFolder("guarded");
  const command = Command.run("scripts/engine.ts", ["--dir", folder.path, "--port", "0"], { ENGINE_ROOT_USER: rootLogin.username, ENGINE_ROOT_PASSWORD: rootLogin.password });
  const [uri] = await command.says(/mongodb:\/\/[^:\s]+:\d+\/\S*/);
  const root = await connectMongo({ uri, local: true, appName: "test-root", maxPoolSize: 5, telemetry: silentTelemetry, login: rootLogin });
  return {
    uri,
    root,
    close: async () => {
      await root.close();
      await command.kill();
      folder.remove();
    },
  };
}
