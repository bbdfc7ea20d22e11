import { afterAll, beforeAll, describe, expect, it } from "vitest";
import fc from "fast-check";
import { EngineError } from "../../../src/embedded/engine-error.js";
import { MalformedMessage, parseMessage } from "../../../src/embedded/wire/message.js";
import { engineFixture, type EngineFixture } from "./engine-fixture.js";
import { nextReply, openSocket, opMsg, rawCommand } from "./raw-client.js";

let engine: EngineFixture;

beforeAll(async () => {
  engine = await engineFixture();
});
afterAll(() => engine.stop());

describe("the decoder", () => {
  it("reads or refuses any bytes, and throws nothing else", () => {
    const whole = opMsg({ ping: 1, $db: "admin", nested: { a: [1, "x"] } });
    const mutated = fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { maxLength: 6 }).map((changes) => {
      const bytes = Buffer.from(whole);
      for (const [at, byte] of changes) bytes[at] = byte;
      return bytes;
    });
    const noise = fc.uint8Array({ minLength: 16, maxLength: 200 }).map((bytes) => Buffer.from(bytes));
    fc.assert(
      fc.property(fc.oneof(mutated, noise), (bytes) => {
        try {
          expect(parseMessage(bytes).body).toBeTypeOf("object");
        } catch (error) {
          expect(error instanceof MalformedMessage || error instanceof EngineError).toBe(true);
        }
      }),
      { numRuns: 2_000 },
    );
  });

  it("refuses a section that claims more than there is", () => {
    const bytes = opMsg({ ping: 1 });
    bytes.writeInt32LE(1_000_000, 21);
    expect(() => parseMessage(bytes)).toThrow(MalformedMessage);
  });
});

describe("a connection", () => {
  it("that sends nonsense is answered once and closed, and no other notices", async () => {
    const good = await openSocket(engine.uri);
    for (const bytes of [Buffer.from("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), Buffer.alloc(64), Buffer.alloc(64, 0xff), opMsg({ ping: 1, $db: "admin" }, 1, 0x80)]) {
      const bad = await openSocket(engine.uri);
      bad.on("error", () => undefined);
      bad.write(bytes);
      await new Promise<void>((resolve) => {
        bad.on("close", () => resolve());
        bad.resume();
      });
    }
    good.write(opMsg({ ping: 1, $db: "admin" }));
    expect(await nextReply(good)).toEqual({ ok: 1 });
    good.destroy();
    expect(engine.events.filter((event) => event.startsWith("warn: A client was disconnected")).length).toBeGreaterThanOrEqual(4);
  });

  it("gets its messages in whatever pieces, and answers in order", async () => {
    const socket = await openSocket(engine.uri);
    const bytes = Buffer.concat([opMsg({ ping: 1, $db: "admin" }, 1), opMsg({ buildInfo: 1, $db: "admin" }, 2)]);
    for (const byte of bytes.subarray(0, 40)) socket.write(Buffer.from([byte]));
    socket.write(bytes.subarray(40));
    expect(await nextReply(socket)).toEqual({ ok: 1 });
    socket.destroy();
  });

  it("is answered nothing for a write with moreToCome, and the write is made", async () => {
    const MORE_TO_COME = 2;
    const socket = await openSocket(engine.uri);
    socket.write(opMsg({ insert: "quiet", documents: [{ _id: 1 }], writeConcern: { w: 0 }, $db: "wire" }, 1, MORE_TO_COME));
    socket.write(opMsg({ count: "quiet", $db: "wire" }, 2));
    expect(await nextReply(socket)).toEqual({ n: 1, ok: 1 });
    socket.destroy();
  });

  it("may carry a checksum", async () => {
    const CHECKSUM_PRESENT = 1;
    const message = opMsg({ ping: 1, $db: "admin" }, 1, CHECKSUM_PRESENT);
    const bytes = Buffer.concat([message, Buffer.alloc(4)]);
    bytes.writeInt32LE(bytes.length, 0);
    const socket = await openSocket(engine.uri);
    socket.write(bytes);
    expect(await nextReply(socket)).toEqual({ ok: 1 });
    socket.destroy();
  });

  it("is told of errors inside commands without losing the connection", async () => {
    expect(await rawCommand(engine.uri, { find: 5, $db: "wire" })).toMatchObject({ ok: 0, code: 73 });
    expect(await rawCommand(engine.uri, { find: "x", filter: { $bogus: 1 }, $db: "wire" })).toMatchObject({ ok: 0, code: 2 });
    expect(await rawCommand(engine.uri, { find: "x", filter: 1, $db: "wire" })).toMatchObject({ ok: 0, code: 14 });
    expect(await rawCommand(engine.uri, { find: "x" })).toMatchObject({ ok: 0, code: 14 });
  });
});

describe("a long scan", () => {
  it("lets others have their turn", async () => {
    const items = engine.client.db("wire").collection("scan");
    await items.insertMany(Array.from({ length: 20_000 }, (_, n) => ({ n, text: "some words ".repeat(5) })));
    const order: string[] = [];
    const scan = items.find({ text: /never/ }).toArray().finally(() => order.push("scan"));
    for (let ping = 0; ping < 5; ping += 1) {
      await engine.client.db("admin").command({ ping: 1 });
      order.push("ping");
    }
    expect(await scan).toEqual([]);
    expect(order).toEqual(["ping", "ping", "ping", "ping", "ping", "scan"]);
  });
});
