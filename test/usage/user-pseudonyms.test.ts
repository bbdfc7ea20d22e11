import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { serviceUnavailable } from "../../src/kernel/errors.js";
import type { RequestId } from "../../src/kernel/ids.js";
import type { KeyVault } from "../../src/storage/control/control-plane.js";
import { UsageRecorder, type RecordedCall } from "../../src/usage/usage-recorder.js";
import { pseudonymKeyName, UserPseudonyms } from "../../src/usage/user-pseudonyms.js";
import { contextOf, MemoryLedger, priceBook, recordingTelemetry } from "../metering/spend-fixtures.js";
import { startTestDeployment, type TestDeployment } from "../support/engine.js";
import { openTestVault } from "../support/sealed-silo.js";

const call: RecordedCall = { kind: "COMPLETION", operation: "ask", model: "m", path: "ask", callNumber: 0, usage: { promptTokens: 1, completionTokens: 1 }, outcome: "OK" };

let deployment: TestDeployment;
let vault: KeyVault;
beforeAll(async () => {
  deployment = await startTestDeployment();
  vault = await openTestVault(deployment);
});
afterAll(() => deployment.close());

function recorderWith(keys: Pick<KeyVault, "ensure">): { recorder: UsageRecorder; ledger: MemoryLedger; alarms: readonly string[] } {
  const ledger = new MemoryLedger();
  const telemetry = recordingTelemetry();
  return { recorder: new UsageRecorder(() => ledger, priceBook, new UserPseudonyms(keys), telemetry), ledger, alarms: telemetry.alarms };
}

async function record(recorder: UsageRecorder, tenant: string): Promise<void> {
  const at = new Date();
  await recorder.record(contextOf({ tenant, requestId: `req_${tenant}` as RequestId }), call, recorder.price(call, at), at);
}

describe("a tenant's own key for its users' names", () => {
  it("gives one name on every server and after every start, and another one in another tenant", async () => {
    const [one, two] = [new UserPseudonyms(vault), new UserPseudonyms(await openTestVault(deployment))];
    const [here, there] = await Promise.all([one.inLedger(contextOf()), two.inLedger(contextOf())]);
    expect(here).toBe(there);
    expect(await one.inLedger(contextOf({ tenant: "globex" }))).not.toBe(here);
    await vault.rotate(contextOf().tenantId, pseudonymKeyName);
    expect(await new UserPseudonyms(vault).inLedger(contextOf())).toBe(here);
  });

  it("salts a provider's cache alike for all its users, and otherwise for every other tenant", async () => {
    const names = new UserPseudonyms(vault);
    const salt = await names.cacheSalt(contextOf());
    expect(salt).toMatch(/^salt_[\w-]{22}$/u);
    expect(await names.cacheSalt(contextOf({ user: "bob" }))).toBe(salt);
    expect(await names.cacheSalt(contextOf({ tenant: "globex" }))).not.toBe(salt);
    expect([await names.forProvider(contextOf()), await names.inLedger(contextOf())].map((name) => name.slice(4))).not.toContain(salt.slice(5));
  });

  it("is read once, not once a call", async () => {
    let reads = 0;
    const counting = { ensure: (...asked: Parameters<KeyVault["ensure"]>) => vault.ensure(...asked).finally(() => (reads += 1)) };
    const names = new UserPseudonyms(counting);
    for (let n = 0; n < 100; n += 1) await Promise.all([names.inLedger(contextOf({ user: `u${n}` })), names.forProvider(contextOf({ user: `u${n}` }))]);
    expect(reads).toBe(1);
  });

  it("that was destroyed leaves names in the ledger that lead to nobody, and later calls without a name", async () => {
    const { recorder, ledger, alarms } = recorderWith(vault);
    await record(recorder, "erased");
    const name = ledger.rows[0]?.userPseudonym;
    expect(name).toMatch(/^usr_[\w-]{22}$/);
    await vault.destroy(contextOf({ tenant: "erased" }).tenantId, pseudonymKeyName);
    // No key, old or new, from which anyone could compute the name again.
    await expect(new UserPseudonyms(vault).inLedger(contextOf({ tenant: "erased" }))).rejects.toMatchObject({ code: "NOT_FOUND" });
    const late = recorderWith(vault);
    await record(late.recorder, "erased");
    expect([late.ledger.rows.map((row) => row.userPseudonym), late.alarms, alarms]).toEqual([["usr_unknown"], [], []]);
  });

  it("is asked for again when the vault did not answer; a call is recorded or alarmed, never refused", async () => {
    let failures = 1;
    const flaky = { ensure: async (...asked: Parameters<KeyVault["ensure"]>) => (failures-- > 0 ? Promise.reject(serviceUnavailable("down")) : vault.ensure(...asked)) };
    const back = recorderWith(flaky);
    await record(back.recorder, "acme");
    expect([back.ledger.rows.map((row) => row.userPseudonym), back.alarms]).toEqual([[expect.stringMatching(/^usr_[\w-]{22}$/) as unknown], []]);
    const down = recorderWith({ ensure: () => Promise.reject(serviceUnavailable("down")) });
    await record(down.recorder, "acme");
    expect([down.ledger.rows, down.alarms]).toEqual([[], ["usage_ledger_write_failed"]]);
  });
});
