import type { Command } from "./command.js";

export const ping: Command = { name: "ping", fields: [], served: "always", run: () => ({ ok: 1 }) };
