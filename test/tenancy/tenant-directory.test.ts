import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import type { TenantId } from "../../src/kernel/ids.js";
import { CachedTenantDirectory, directoryAgeMsMax } from "../../src/tenancy/tenant-directory.js";
import type { TenantRecord } from "../../src/tenancy/tenant-record.js";
import { recordOf } from "../support/tenants.js";

const acme = recordOf("acme").id;

/** A directory whose answers wait, each with what was true when it was asked. */
class SlowSource {
  present: TenantRecord = recordOf("acme");
  readonly #answers: (() => void)[] = [];

  get asked(): number {
    return this.#answers.length;
  }

  find(_id: TenantId): Promise<TenantRecord | undefined> {
    const seen = this.present;
    return new Promise((resolve) => this.#answers.push(() => resolve(seen)));
  }

  answer(index: number): void {
    this.#answers[index]?.();
  }
}

describe("the cached tenant directory", () => {
  test("never answers with what a hanging read saw longer ago than a record may be old: a suspension counts", async () => {
    const source = new SlowSource();
    const directory = new CachedTenantDirectory(source);
    const hanging = directory.find(acme);
    source.present = { ...source.present, state: "SUSPENDED" };
    await sleep(directoryAgeMsMax + 20);
    const late = directory.find(acme);
    expect(source.asked).toBe(2);
    source.answer(0);
    source.answer(1);
    expect((await hanging)?.state).toBe("ACTIVE");
    expect((await late)?.state).toBe("SUSPENDED");
  });

  test("shares one read between callers that ask at the same moment", async () => {
    const source = new SlowSource();
    const directory = new CachedTenantDirectory(source);
    const both = [directory.find(acme), directory.find(acme)];
    // A period may end between the two, and then each reads for itself.
    expect(source.asked).toBeLessThanOrEqual(2);
    for (let index = 0; index < source.asked; index += 1) source.answer(index);
    expect((await Promise.all(both)).map((record) => record?.id)).toEqual([acme, acme]);
  });

  test("does not let a reader that comes after a change join a read that began before it", async () => {
    const source = new SlowSource();
    const directory = new CachedTenantDirectory(source);
    const before = directory.find(acme);
    source.present = { ...source.present, state: "SUSPENDED" };
    const after = directory.findFresh(acme);
    source.answer(1);
    source.answer(0);
    await before;
    expect((await after)?.state).toBe("SUSPENDED");
    // The earlier read came back last: what it saw must not be remembered.
    expect((await directory.find(acme))?.state).toBe("SUSPENDED");
  });
});
