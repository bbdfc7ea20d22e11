import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Deadline } from "../../src/kernel/deadline.js";
import { csvLine } from "../../src/usage/csv.js";
import { ExportUsage } from "../../src/usage/usage-export.js";
import { contextOf, pseudonyms } from "../metering/spend-fixtures.js";
import { LedgerWorld, rowAt } from "./ledger-world.js";

const deadline = Deadline.after(60_000);
const at = Date.parse("2026-06-14T10:00:00Z");
const june = { from: new Date("2026-06-01T00:00:00Z"), to: new Date("2026-07-01T00:00:00Z") };
const admin = contextOf({ user: "boss", roles: ["admin"] });

let world: LedgerWorld;
beforeAll(async () => {
  world = await LedgerWorld.open("export");
  for (const [number, user] of ["ada", "ada", "bob"].entries()) {
    const userPseudonym = await pseudonyms.inLedger(contextOf({ user }));
    await world.control.ledgerOf(admin).append(rowAt(new Date(at + number), number, { userPseudonym, cachedPromptTokens: 4, reasoningTokens: 3 }));
  }
  await world.control.ledgerOf(contextOf({ tenant: "globex" })).append(rowAt(new Date(at), 0, { model: "of-globex" }));
  const [call] = await world.control.corrections.page(admin.tenantId, june, undefined, 1);
  if (call !== undefined) await world.control.corrections.correct([{ call, priceVersion: "v2", differenceMicroUsd: -5 }]);
});
afterAll(() => world.close());

const exporter = (rowsMax?: number) => new ExportUsage((context) => world.control.usageRowsOf(context), pseudonyms, undefined, rowsMax);

/** A reader of RFC 4180, so that what is written is read by another's rules than the writer's. */
function read(csv: string): string[][] {
  const lines: string[][] = [[]];
  const cells = /("(?:[^"]|"")*"|[^",\r\n]*)(,|\r\n|$)/gy;
  for (let match = cells.exec(csv); match !== null && cells.lastIndex <= csv.length && match[0] !== ""; match = cells.exec(csv)) {
    const [, cell = "", end] = match;
    lines.at(-1)?.push(cell.startsWith('"') ? cell.slice(1, -1).replaceAll('""', '"') : cell);
    if (end === "\r\n") lines.push([]);
  }
  return lines.slice(0, -1);
}

describe("an export of usage", () => {
  it("gives an admin the tenant's rows and no other's, corrections among them, with every part of a call", async () => {
    const { csv, rows, truncated } = await exporter().run(admin, deadline, june);
    const [names = [], ...lines] = read(csv);
    expect({ rows, truncated, lines: lines.length }).toEqual({ rows: 4, truncated: false, lines: 4 });
    expect(lines.every((line) => line.length === names.length)).toBe(true);
    expect(csv).not.toContain("of-globex");
    const column = (name: string): (string | undefined)[] => lines.map((line) => line[names.indexOf(name)]);
    expect(column("cost_micro_usd").toSorted()).toEqual(["-5", "7", "7", "7"]);
    expect(column("corrects").filter((id) => id !== "")).toEqual([lines.find((line) => line[names.indexOf("cost_micro_usd")] === "7")?.[0]]);
    expect([column("cached_prompt_tokens").toSorted(), column("reasoning_tokens").toSorted()]).toEqual([["0", "4", "4", "4"], ["0", "3", "3", "3"]]);
    expect(column("at")[3]).toBe("2026-06-14T10:00:00.002Z");
  });

  it("gives a member their own rows alone", async () => {
    const { csv, rows } = await exporter().run(contextOf({ user: "bob" }), deadline, june);
    expect(rows).toBe(1);
    expect(read(csv)[1]?.[2]).toBe(await pseudonyms.inLedger(contextOf({ user: "bob" })));
  });

  it("says when it cut, and holds the oldest rows then", async () => {
    expect(await exporter(4).run(admin, deadline, june)).toMatchObject({ rows: 4, truncated: false });
    const { csv, rows, truncated } = await exporter(3).run(admin, deadline, june);
    expect({ rows, truncated }).toEqual({ rows: 3, truncated: true });
    expect(csv).not.toContain("10:00:00.002Z");
  });

  it("is refused for a range that is none", async () => {
    await expect(exporter().run(admin, deadline, { from: june.to, to: june.from })).rejects.toMatchObject({ code: "BAD_USER_INPUT" });
  });
});

describe("a line of CSV", () => {
  it.each(["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1+1", '=HYPERLINK("http://evil","x")'])("never begins a cell with a formula: %j", (text) => {
    const [cells = []] = read(csvLine([text, "end"]));
    expect(cells).toEqual([`'${text}`, "end"]);
  });

  it.each(["plain", "a,b", 'say "x"', "two\r\nlines", "", " space ", "ünï", '",\r\n"'])("is read again as it was: %j", (text) => {
    expect(read(csvLine([text, 7, "end"]))).toEqual([[text, "7", "end"]]);
  });

  it("keeps a number below zero a number", () => {
    expect(csvLine([-5])).toBe("-5\r\n");
  });
});
