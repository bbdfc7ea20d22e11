import { Binary, MongoClient, type Collection } from "mongodb";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { parseTenantId } from "../../../src/kernel/ids.js";
import type { KeyVault } from "../../../src/storage/control/control-plane.js";
import { startTestDeployment, type TestDeployment } from "../../support/engine.js";
import { openTestVault, testWrapping } from "../../support/sealed-silo.js";

interface Row {
  _id: string;
  versions: { version: number; wraps: { by: string; wrapped: Binary }[] }[];
}

const acme = parseTenantId("acme");
const globex = parseTenantId("globex");
const oldKey = testWrapping.current;
const newKey = Buffer.alloc(32, 10);

let deployment: TestDeployment;
let suffix: string;
let vault: KeyVault;
let rows: Collection<Row>;
let suites = 0;
beforeAll(async () => {
  deployment = await startTestDeployment();
});
afterAll(() => deployment.close());
beforeEach(async () => {
  suffix = `vault${(suites += 1)}`;
  vault = await openTestVault(deployment, suffix);
  rows = deployment.client.db(deployment.database(suffix)).collection("tenant_secrets");
});

const keysOf = async (from: KeyVault, name = "data"): Promise<readonly (readonly [number, string])[]> =>
  (await from.ensure(acme, name)).versions.map(({ version, key }) => [version, key.toString("hex")] as const);

describe("a secret of the vault", () => {
  it("is one and the same for servers that ask for it at the same moment", async () => {
    const clients = await Promise.all(Array.from({ length: 4 }, () => new MongoClient(deployment.uri).connect()));
    const servers = await Promise.all(clients.map((client) => openTestVault({ ...deployment, client }, suffix)));
    const made = await Promise.all(Array.from({ length: 24 }, (_, n) => (servers[n % servers.length] as KeyVault).ensure(acme, "data")));
    expect(new Set(made.map((secret) => secret.versions[0]?.key.toString("hex"))).size).toBe(1);
    expect(made[0]?.versions[0]?.key).toHaveLength(32);
    await Promise.all(clients.map((client) => client.close()));
  });

  it("differs from every other and lies in the database wrapped", async () => {
    const keys = await Promise.all([vault.ensure(acme, "data"), vault.ensure(acme, "other"), vault.ensure(globex, "data")]);
    expect(new Set(keys.map((secret) => secret.versions[0]?.key.toString("hex"))).size).toBe(3);
    const raw = Buffer.from(JSON.stringify(await rows.find().toArray())).toString("latin1");
    for (const secret of keys) expect(raw).not.toContain((secret.versions[0] as { key: Buffer }).key.toString("base64"));
    expect(await vault.names(acme)).toEqual(["data", "other"]);
    expect(await vault.find(acme, "never-made")).toBeUndefined();
  });

  it("keeps its older versions until they are retired, and never loses the newest", async () => {
    const [first] = await keysOf(vault);
    await Promise.all([vault.rotate(acme, "data"), vault.rotate(acme, "data")]);
    const rotated = await keysOf(vault);
    expect(rotated.map(([version]) => version)).toEqual([1, 2, 3]);
    expect(rotated[0]).toEqual(first);
    await vault.retireBefore(acme, "data", 3);
    expect(await keysOf(vault)).toEqual([rotated[2]]);
    await vault.retireBefore(acme, "data", 9);
    expect(await keysOf(vault)).toEqual([rotated[2]]);
    expect(JSON.stringify(await rows.findOne({ _id: "acme/data" }))).not.toContain('"version":1');
  });

  it("is gone for every server once it is destroyed, and is not made again", async () => {
    const other = await openTestVault(deployment, suffix);
    await other.ensure(acme, "data");
    expect(await vault.destroy(acme, "data")).toBe(true);
    expect(await vault.destroy(acme, "data")).toBe(false);
    expect(await other.find(acme, "data")).toBeUndefined();
    await expect(other.ensure(acme, "data")).rejects.toMatchObject({ code: "NOT_FOUND" });
    await expect(vault.rotate(acme, "data")).rejects.toMatchObject({ code: "NOT_FOUND" });
    expect(await vault.names(acme)).toEqual([]);
    expect(await rows.findOne({ _id: "acme/data" })).toMatchObject({ versions: [] });
    // Also where there was none: whoever comes late must not make one for a tenant that is gone.
    expect(await vault.destroy(acme, "pseudonyms")).toBe(false);
    await expect(vault.ensure(acme, "pseudonyms")).rejects.toMatchObject({ code: "NOT_FOUND" });
  });

  it("is refused when its wrapped form was altered, or put into another tenant's row, name or version", async () => {
    await vault.ensure(acme, "data");
    await vault.ensure(acme, "other");
    await vault.ensure(globex, "data");
    const { versions } = (await rows.findOne({ _id: "acme/data" })) as Row;
    const wrap = versions[0]?.wraps[0] as Row["versions"][number]["wraps"][number];
    for (const id of ["globex/data", "acme/other"]) await rows.updateOne({ _id: id }, { $set: { versions } });
    await expect(vault.find(globex, "data")).rejects.toMatchObject({ code: "INTERNAL" });
    await expect(vault.find(acme, "other")).rejects.toMatchObject({ code: "INTERNAL" });
    await rows.updateOne({ _id: "acme/data" }, { $set: { versions: [{ version: 2, wraps: [wrap] }] } });
    await expect(vault.find(acme, "data")).rejects.toMatchObject({ code: "INTERNAL" });
    const altered = Buffer.from(wrap.wrapped.buffer);
    altered[20] = (altered[20] as number) ^ 1;
    await rows.updateOne({ _id: "acme/data" }, { $set: { versions: [{ version: 1, wraps: [{ by: wrap.by, wrapped: new Binary(altered) }] }] } });
    await expect(vault.find(acme, "data")).rejects.toMatchObject({ code: "INTERNAL", message: "A wrapped key was altered, or belongs to another row" });
  });
});

describe("the master key", () => {
  it("that is another one stops the start with one line that names it", async () => {
    await expect(openTestVault(deployment, suffix, { current: newKey })).rejects.toMatchObject({ code: "BAD_USER_INPUT", message: expect.stringMatching(/^MASTER_KEY: got .*MASTER_KEY_PREVIOUS$/) as unknown });
  });

  it("is replaced while servers with the old one and with both still run, and then the old one opens nothing", async () => {
    const before = await keysOf(vault);
    const both = await openTestVault(deployment, suffix, { current: newKey, previous: oldKey });
    // The old server reads what was wrapped anew, and what it makes is read by the new ones.
    expect(await keysOf(both)).toEqual(before);
    expect(await keysOf(vault)).toEqual(before);
    const madeByOld = await keysOf(vault, "late");
    expect(await keysOf(both, "late")).toEqual(madeByOld);
    const madeByNew = await keysOf(both, "newer");
    expect(await keysOf(vault, "newer")).toEqual(madeByNew);

    const after = await openTestVault(deployment, suffix, { current: newKey });
    expect([await keysOf(after), await keysOf(after, "late"), await keysOf(after, "newer")]).toEqual([before, madeByOld, madeByNew]);
    await expect(keysOf(vault)).rejects.toMatchObject({ code: "INTERNAL", message: expect.stringContaining("MASTER_KEY") as unknown });
    await expect(openTestVault(deployment, suffix, { current: oldKey })).rejects.toMatchObject({ code: "BAD_USER_INPUT" });
  });
});
